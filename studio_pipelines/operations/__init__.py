"""One file an operation; its name is the name of its op."""
