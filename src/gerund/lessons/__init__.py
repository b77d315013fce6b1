"""Learning from a user's own labelled videos: tables of labels, the videos that they mean, and the trained method."""
