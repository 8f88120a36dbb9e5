"""A tour of a running studio, by a client that knows nothing but its HTTP interface."""
