"""The local registry's configuration and its token service."""
