"""Scenarios in which the rows of the module's machines fire, by chapter."""
