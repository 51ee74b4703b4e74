"""A PostgreSQL that is not the stack's: asked, and given the stack's roles."""
