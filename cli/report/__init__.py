"""The HTML report of `earshot inspect --html`: one page that needs nothing beside itself, no script among it."""
