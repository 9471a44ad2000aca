"""What a campaign leaves: records, recordings, and the report in each of its forms."""
