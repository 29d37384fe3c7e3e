"""Checks the deployment without Azure: syntax, names, published models, settings, storage, rights."""
