"""The local stack as one thing: its ports, files, settings, processes and their supervisor."""
