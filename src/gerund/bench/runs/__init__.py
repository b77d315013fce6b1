"""Runs: methods on protocols, their answers, and reports of them."""
