"""The whole path against the raw compute it is made of, and against two plain servers, in one interleaved run: `python -m bench`."""
