"""The artifact: parquet becomes a memory-mapped catalogue with a manifest, published in one piece, opened read-only, checked before it is served."""
