"""Proves what the service promises: one command per promise, against real servers under open-loop load, with pass or fail for each line."""
