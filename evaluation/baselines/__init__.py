"""What everybody compares with: each a few lines over a well-kept library where one exists, tuned on a cut of the training part."""
