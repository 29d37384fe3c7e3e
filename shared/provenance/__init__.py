"""What the deployment says, under its signature, of the images that its runs have pushed."""
