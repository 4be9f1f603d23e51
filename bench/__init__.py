"""How fast graphc is, beside its peers: ``python -m bench``."""
