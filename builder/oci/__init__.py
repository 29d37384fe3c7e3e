"""One image in a directory of the OCI image layout: what an engine leaves behind and a step takes over."""
