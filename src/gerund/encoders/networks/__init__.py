"""Architectures, each written down once as a graph from its published weights."""
