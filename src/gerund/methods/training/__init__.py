"""How methods learn, and how what they learned is kept; the only rooms of methods that know PyTorch well."""
