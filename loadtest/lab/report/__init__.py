"""An analysis as people read it: on the terminal, as a page, as rows."""
