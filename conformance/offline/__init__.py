"""The same oracles over recordings."""
