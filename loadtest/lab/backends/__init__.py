"""Database backends that the lab measures."""
