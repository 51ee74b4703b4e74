"""The demo's pages, one module per subject."""
