"""Tasks follow the images that their images stand on: what changed, whom it concerns, and one run for it."""
