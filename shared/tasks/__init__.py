"""Tasks: stored definitions of what to run, their triggers and their secrets."""
