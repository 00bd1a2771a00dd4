"""Whether the cells of a sweep would run: each tried small on a CPU, and held to its real sizes."""
