"""The studio: operations, the jobs made of them, and the processes that run them."""
