"""What the images hold that a run has pushed: their packages, read from the layers."""
