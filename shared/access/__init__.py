"""Who may do what: callers' tokens and roles, builders' tokens, and secrets at rest."""
