"""Measurements of the whole, against a baseline taken in the same run."""
