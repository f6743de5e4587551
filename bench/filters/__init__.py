"""Filters without a cliff: recall and latency of the served path by how many creators a request may show."""
