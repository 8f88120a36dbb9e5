"""The operation that measurements use: a lane of its own, and next to no work."""
