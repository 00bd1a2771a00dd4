"""A sweep's cells, held against each other."""
