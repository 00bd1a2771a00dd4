"""The straight line from shards to batches."""
