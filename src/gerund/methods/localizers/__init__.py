"""When actions happen in a video: one file a method."""
