"""Back ends: each makes files from the representation, and from nothing else."""
