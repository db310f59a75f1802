"""What ``watch`` shows of a release, and drawing it in a terminal."""
