"""Folding: what a ranker computes of creators alone becomes a table, what it computes of the request alone is computed once (docs/folding.md)."""
