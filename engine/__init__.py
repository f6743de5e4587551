"""One request's way through the stages within its deadline, and the composition root: build, open, verify."""
