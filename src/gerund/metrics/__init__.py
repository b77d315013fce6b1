"""Measures of answers: pure functions on arrays."""
