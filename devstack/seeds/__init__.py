"""Base images made from Debian packages, for builds without an outside registry."""
