"""Load tests: what is asked, how hard, for how long, and what counts as passed. Knows the server by its API alone."""
