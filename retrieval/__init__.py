"""Stage 1: which creators could this user like? The index, the exact scan, the filters, and the planner between them. Only here: hnswlib."""
