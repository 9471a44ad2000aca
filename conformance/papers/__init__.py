"""What people write for the suite: PICS, PIXIT and waivers."""
