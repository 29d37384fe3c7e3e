"""The program that executes one run inside a container group."""
