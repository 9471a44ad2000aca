"""Implementations with one habit each: what the suite must fail, and what it must pass."""
