"""Elaborative Rehearsal: the method, its networks, its losses."""
