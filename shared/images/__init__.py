"""Images by name: references, platforms, manifests, and the registry protocol that finds their digests."""
