"""Scores of files that others have written: annotations and predictions."""
