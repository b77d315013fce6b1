"""Protocols, runs and reports: the only room that sees test labels."""
