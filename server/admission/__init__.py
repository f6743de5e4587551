"""Who is let in, in which order, and with how much of the processor: a worker under load. Knows nothing of gRPC, reads no clock by itself."""
