"""The processes and the gRPC edge: control supervises a generation, which forks workers that answer calls."""
