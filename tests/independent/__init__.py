"""A second opinion: an implementation that shares nothing with ours but the published document."""
