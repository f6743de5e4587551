"""The small world that ships with Earshot: invented listeners and creators, and the files that `earshot train` made of their listens.

Serving reads the committed files alone (`demo.files`); the rest here writes the tables that they are made from (`demo.make`, see `make demo-data`).
"""
