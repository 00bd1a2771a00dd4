"""The shapes world: generated pictures whose every fact is known, for learning and proving on a laptop."""
