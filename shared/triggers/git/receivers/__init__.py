"""What the web hooks of each kind of host say, and how they prove it."""
