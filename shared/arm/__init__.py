"""The ARM surface as values: resource ids, wire shapes, filters and paging. Pure."""
