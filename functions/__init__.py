"""Doors: one blueprint per kind of caller. Each reads, calls one use case, answers."""
