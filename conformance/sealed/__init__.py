"""Bundles that others can believe: the tape of a campaign, signatures, and verdicts derived again."""
