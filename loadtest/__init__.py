"""Load on the running stack, on this host only."""
