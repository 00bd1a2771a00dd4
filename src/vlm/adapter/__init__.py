"""A few added weights through which a part learns."""
