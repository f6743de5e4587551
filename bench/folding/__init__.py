"""What folding saves: rankers of every shape as built, beside the same models whole."""
