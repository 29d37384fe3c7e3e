"""The root of a step's container, made into that of an image which the run itself built."""
