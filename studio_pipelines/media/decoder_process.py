"""The helper: parses untrusted media for one client, with nothing but the descriptors it is sent.

Started as ``python -m studio_pipelines.media.decoder_process <socket> <owner pid> <limits>`` by
:mod:`decoder_child`. An error that is not foreseen here ends the process on purpose: its client
refuses that file and starts another.
"""

import errno
import gc
import importlib
import json
import os
import socket
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import BinaryIO

from studio_pipelines.errors import MediaTooLarge, StudioError
from studio_pipelines.media import confinement, decoder_messages
from studio_pipelines.media.decoder_messages import JOIN, Message
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.sniff import HEAD_BYTES, Media, MediaType, sniff
from studio_pipelines.media.syscall_filter import filter_calls


def main(arguments: list[str]) -> None:
    """Confine this process, load the codecs, and serve until the client is gone."""
    fd, owner_pid = int(arguments[0]), int(arguments[1])
    limits = MediaLimits(**json.loads(arguments[2]))
    walls = confine(owner_pid, limits)
    with socket.socket(fileno=fd) as connection:
        decoder_messages.send(connection, {"ready": True, "walls": walls})
        while _serve_one(connection):
            gc.collect()  # what a refused file left in cycles: its descriptors and its pixels


def confine(owner_pid: int, limits: MediaLimits) -> dict[str, bool]:
    """Load the codecs, and take from this process whatever else it could do.

    Args:
        owner_pid: The process to die with.
        limits: The bounds on memory and on the size of files.

    Returns:
        Which of the kernel's walls stand: ``landlock`` and ``seccomp``.
    """
    confinement.die_with_owner(owner_pid)
    confinement.renounce_privileges()
    confinement.limit_resources(
        memory_bytes=limits.helper_memory_bytes, file_bytes=limits.max_decoded_bytes
    )
    _load_codecs()
    gc.freeze()
    files_shut_out = confinement.shut_out_files(readable=_code_folders())
    return {"landlock": files_shut_out, "seccomp": filter_calls()}


def _load_codecs() -> None:
    """Import them now: later, their files are out of reach and the client waits."""
    for module in ("audio_decode", "image_decode", "lut_decode", "sound_join", "video_decode"):
        importlib.import_module(f"studio_pipelines.media.{module}")


def _code_folders() -> set[str]:
    """Where installed code lies: libraries import parts of themselves late."""
    installed = sysconfig.get_paths()
    folders = {installed[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.add(str(Path(__file__).parent))
    return {folder for folder in folders if Path(folder).is_dir()}


def _serve_one(connection: socket.socket) -> bool:
    """Answer one request; return False once the client has hung up."""
    try:
        request, fd = decoder_messages.receive(connection)
    except EOFError:
        return False
    if fd is None:  # a slot that was named free before its video was refused
        return True
    try:
        _serve(connection, request, fd, MediaLimits(**request["limits"]))
    except StudioError as error:
        refusal = {"refusal": error.code, "message": error.message, "hint": error.hint}
        decoder_messages.send(connection, refusal)
    return True


def _serve(connection: socket.socket, request: Message, fd: int, limits: MediaLimits) -> None:
    """Do what is asked for with an open file."""
    from studio_pipelines.media.sound_join import serve_join
    from studio_pipelines.media.video_decode import serve_video

    with os.fdopen(fd, "rb") as file:
        os.lseek(fd, 0, os.SEEK_SET)
        media_type = sniff(os.pread(fd, HEAD_BYTES, 0))
        assert media_type is not None
        if request["want"] == JOIN:
            serve_join(connection, file, media_type, request["container"])
        elif request["want"] == Media.VIDEO.value:
            serve_video(connection, file, media_type, limits, request)
        else:
            _decode(connection, Media(request["want"]), file, media_type, limits)


def _decode(
    connection: socket.socket,
    want: Media,
    file: BinaryIO,
    media_type: MediaType,
    limits: MediaLimits,
) -> None:
    """Announce the size of what an open file holds, get a carrier for it, and fill that."""
    from studio_pipelines.media.audio_decode import open_audio
    from studio_pipelines.media.image_decode import open_picture
    from studio_pipelines.media.lut_decode import open_lut

    openers = {Media.IMAGE: open_picture, Media.AUDIO: open_audio, Media.LUT: open_lut}
    pending = openers[want](file, media_type, limits)
    decoder_messages.send(connection, {"expected_bytes": pending.expected_bytes})
    _, carrier = decoder_messages.receive(connection)
    assert carrier is not None
    try:
        details = pending.write(carrier)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EFBIG):
            raise
        raise MediaTooLarge(
            "There is no room for the decoded file.", hint="Send a smaller file."
        ) from error
    finally:
        os.close(carrier)
    decoder_messages.send(connection, details)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BaseException:  # noqa: BLE001  whatever it was, it goes into the owner's log
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # taking the codecs apart takes time, and says much of what does not matter
