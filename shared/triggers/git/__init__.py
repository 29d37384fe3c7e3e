"""Deliveries of git hosts: who sent one, what it says, and what follows from it."""
