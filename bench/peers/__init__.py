"""The peers: other ways to read and write the same packets."""
