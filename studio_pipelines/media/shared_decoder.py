"""The one decoder of a process: its helper stays warm between jobs."""

from functools import cache

from studio_pipelines.media.decoder import Decoder


@cache
def shared_decoder() -> Decoder:
    """Return this process's decoder; after a fork the child's starts a helper of its own."""
    return Decoder()
