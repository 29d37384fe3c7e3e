"""Where the files of a run come from, and how they are laid out safely."""
