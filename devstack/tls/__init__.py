"""The checkout's own certificate authority."""
