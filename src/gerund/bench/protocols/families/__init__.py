"""Families of protocols, a file each with a tuple `PROTOCOLS`; see `gerund.bench.protocols.card`."""
