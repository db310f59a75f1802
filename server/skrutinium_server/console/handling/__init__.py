"""What the pages of the console show and do, one module a part of it."""
