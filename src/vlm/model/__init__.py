"""The three parts joined."""
