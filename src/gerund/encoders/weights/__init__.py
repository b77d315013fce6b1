"""Weight files: read without running anything in them, their tensor names and shapes brought to one layout."""
