"""Programs that answered one question each; the docs say which, and how to repeat it."""
