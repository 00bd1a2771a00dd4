"""What makes a run findable and self-describing."""
