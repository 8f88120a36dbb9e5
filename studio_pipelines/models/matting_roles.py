"""What matting models are declared as, beside the other models of a worker."""

from typing import Final

SUBJECT_ROLE: Final = "subject"
"""Finds what a picture shows."""

TRIMAP_ROLE: Final = "trimap"
"""Finds alpha in a trimap: it has to be told where to look."""
