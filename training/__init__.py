"""From listening data to the files that `earshot build` takes: two towers for retrieval, a ranker on what they retrieve (extra: train)."""
