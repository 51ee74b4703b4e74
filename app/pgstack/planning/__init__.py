"""From inputs and hardware to a plan: pure, without Django."""
