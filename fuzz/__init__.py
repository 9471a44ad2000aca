"""Attacks on an implementation, with the same schemas and the same oracles."""
