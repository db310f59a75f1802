"""The release store: plain files that any static web server can serve, and the only thing that feed and crisis mail need."""
