"""The HTTP layer: requests in, job records and assets out. It decodes no media."""
