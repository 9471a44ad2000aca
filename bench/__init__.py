"""Measurements of opalink beside its peers: `make bench`."""
