"""What web processes run beside the project."""
