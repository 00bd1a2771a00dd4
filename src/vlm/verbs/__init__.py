"""One short file a verb: compose, build, call, say what happened."""
