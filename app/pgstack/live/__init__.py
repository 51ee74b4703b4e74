"""What runs, asked and compared with the plan."""
