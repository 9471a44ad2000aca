"""The lower tester: its sessions, what it sends and hears, and what it judges of everything that comes."""
