"""The gRPC edge: transport limits, decoding and encoding, errors, health and reflection."""
