"""What is made of a release store besides the feed: archives, tables, bundles, the public folder."""
