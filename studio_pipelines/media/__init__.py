"""Decoding, encoding and the arithmetic of pictures and sound, free of Dagster, Redis and HTTP."""
