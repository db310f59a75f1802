"""Following a night: learning of what is new, fetching, checking, and remembering what was done."""
