"""Adding a whole night up again, with code that shares nothing with the code that counted it."""
