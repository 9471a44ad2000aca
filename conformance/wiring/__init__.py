"""What to ask before a campaign: is the wiring right, and what stands at its end."""
