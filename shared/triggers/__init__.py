"""Triggers: what starts runs of tasks without a caller, each cause once, each decision on record."""
