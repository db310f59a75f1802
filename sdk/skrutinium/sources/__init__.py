"""Where releases are read from: a feed by its address, a release store behind any web server, a folder."""
