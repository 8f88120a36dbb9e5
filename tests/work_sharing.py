"""Which test files belong into one process when several run them (``make test``)."""

import functools
import re
from pathlib import Path

from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).resolve().parents[1]
# Those with the most work first.
SHARED_STUDIOS = ("media_studio", "studio", "keyed")


def file_of(test_id: str) -> str:
    """Return the path that a test's id begins with."""
    return test_id.split("::", 1)[0]


@functools.cache
def shared_studio(file: str) -> str | None:
    """Return the studio that the tests of a file share with other files, if they do.

    It is read off the file, for the process that hands out the work collects no tests.
    """
    text = (ROOT / file).read_text()
    wanted = (name for name in SHARED_STUDIOS if re.search(rf"def test_\w+\([^)]*\b{name}:", text))
    return next(wanted, None)


class SharedStudios(LoadFileScheduling):
    """Keeps a file's tests together, and the files that share a studio, which starts once then."""

    def _split_scope(self, nodeid: str) -> str:
        return shared_studio(file_of(nodeid)) or super()._split_scope(nodeid)
