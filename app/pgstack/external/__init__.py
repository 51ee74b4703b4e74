"""An external PostgreSQL: asked, and given the stack's roles."""
