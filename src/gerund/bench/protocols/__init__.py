"""Protocols: frozen values with a hash, their proof, and what leaks through them."""
