"""Judges an implementation against the specification."""
