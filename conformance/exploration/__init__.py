"""Exploration beside the locked corpus: stateful machines made from the declared tables, and what they find."""
