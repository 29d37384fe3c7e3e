"""Runs: from a request to one terminal state, whatever fails on the way."""
