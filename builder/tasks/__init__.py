"""Multi-step tasks: from the grant to a plan, and the plan executed."""
