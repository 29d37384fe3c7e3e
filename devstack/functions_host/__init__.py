"""A local Azure Functions host: Microsoft's worker library in-process, behind the real host's rules."""
