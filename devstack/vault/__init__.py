"""A key vault on one machine: a directory of secrets behind Key Vault's REST."""
