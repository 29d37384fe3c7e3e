"""The builder's root file system, made from Debian packages and the checkout, without Docker."""
