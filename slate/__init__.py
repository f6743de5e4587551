"""Stage 3: what is shown, and the receipt that says how it came to be."""
