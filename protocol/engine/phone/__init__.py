"""The phone: the other endpoint of the link."""
