"""A look-alike of Microsoft Entra for one tenant, and of the managed-identity endpoint."""
