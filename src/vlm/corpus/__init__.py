"""Getting data into shards."""
