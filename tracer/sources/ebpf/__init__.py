"""Live events from the kernel: the probes' loader, the ring buffer, and the decoding of its records."""
