"""Put the sound of one video beside the picture of another, uncopied. Runs in the helper process.

The muxer parses the sound's packets of an untrusted file, so it works where decoding works; and so
does whoever reads what was made of them.
"""

import heapq
import os
import socket
from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import av.error

from studio_pipelines.media import decoder_messages
from studio_pipelines.media.decoding import damaged
from studio_pipelines.media.ffmpeg_input import codec_name, open_container
from studio_pipelines.media.sniff import HEAD_BYTES, MediaType, sniff


def serve_join(
    connection: socket.socket, file: BinaryIO, media_type: MediaType, container: str
) -> None:
    """Get an encoded picture and an empty file, and write the picture with a video's sound.

    Args:
        connection: To the client, which sends both files.
        file: The video that has the sound.
        media_type: What it is.
        container: FFmpeg's name of the format to write.

    Raises:
        UnusableMedia: The sound is damaged.
    """
    decoder_messages.send(connection, {"ready": True})
    fds = [decoder_messages.receive(connection)[1] for _ in range(2)]
    assert fds[0] is not None
    assert fds[1] is not None
    with os.fdopen(fds[0], "rb") as picture, os.fdopen(fds[1], "w+b") as target:
        try:
            _join(picture, file, media_type, target, container)
            frames = _frames_in(target)
        except av.error.FFmpegError as error:
            raise damaged(media_type.name, error.strerror) from error
    decoder_messages.send(connection, {"frames": frames})


def _join(
    picture: BinaryIO, sound: BinaryIO, media_type: MediaType, target: BinaryIO, container: str
) -> None:
    with (
        av.open(picture, "r") as seen,
        open_container(sound, media_type) as heard,
        av.open(target, "w", format=container) as opened,
    ):
        out: Any = opened  # PyAV's types leave templates and packets half open
        kept: list[tuple[Any, list[Any]]] = [
            (seen, [seen.streams.video[0]]),
            (heard, [stream for stream in heard.streams.audio if codec_name(stream)]),
        ]
        streams = [stream for _, chosen in kept for stream in chosen]
        into = {id(stream): out.add_stream_from_template(stream) for stream in streams}
        sources = [_packets(*each) for each in kept]
        for _, _, packet in heapq.merge(*sources, key=_time):
            packet.stream = into[id(packet.stream)]
            out.mux(packet)


def _frames_in(file: BinaryIO) -> int:
    """Count the frames of a joined file, without decoding them."""
    file.flush()
    media_type = sniff(os.pread(file.fileno(), HEAD_BYTES, 0))
    assert media_type is not None
    file.seek(0)
    with open_container(file, media_type) as joined:
        return sum(packet.size > 0 for packet in joined.demux(joined.streams.video[0]))


_Timed = tuple[float, int, Any]


def _packets(source: Any, streams: list[Any]) -> Iterator[_Timed]:
    for packet in source.demux(streams):
        if packet.dts is not None:
            yield float(packet.dts * packet.time_base), packet.stream.index, packet


def _time(timed: _Timed) -> tuple[float, int]:
    return timed[:2]
