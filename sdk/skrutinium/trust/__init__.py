"""What makes a release worth believing: keys, signatures, and the chain of manifests."""
