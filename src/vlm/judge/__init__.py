"""Models that grade what other models say."""
