"""What changes a running server, or waits for it, once for all targets that do so by themselves."""
