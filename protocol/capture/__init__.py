"""Recordings of a link as pcapng."""
