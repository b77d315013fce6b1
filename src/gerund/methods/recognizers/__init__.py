"""Which action a video shows: one file a method."""
