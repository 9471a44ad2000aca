"""What `opalink generate` exports for any language: the canonical catalogue and the vectors, as JSON."""
