"""The encoders that come with gerund: one light file for each family, with its cards in ``CARDS``."""
