"""What the local stack needs on a machine, made once and checked cheaply."""
