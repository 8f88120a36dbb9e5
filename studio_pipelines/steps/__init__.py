"""Ops that only chains use: one file each; its name is the name of its op."""
