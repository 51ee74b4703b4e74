"""From a plan to files."""
