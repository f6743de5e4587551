"""An open-loop load generator: calls are made when they were planned, whether or not the server answers. Knows the server by its API alone."""
