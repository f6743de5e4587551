"""How good are the slates? A protocol that others can repeat, baselines under it, and a report. Reaches engine, bundle and domain, never training."""
