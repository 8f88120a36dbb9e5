import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipelines.media import sniff as formats
from studio_pipelines.media.sniff import HEAD_BYTES, Media, MediaType, sniff


def _ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = major + b"\0\0\0\0" + b"".join(compatible)
    return (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands


KNOWN = [
    (b"\xff\xd8\xff\xe0\0\x10JFIF", formats.JPEG),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", formats.PNG),
    (b"RIFF\x24\0\0\0WEBPVP8 ", formats.WEBP),
    (b"II*\0\x08\0\0\0", formats.TIFF),
    (b"MM\0*\0\0\0\x08", formats.TIFF),
    (b"II+\0\x08\0\0\0", formats.TIFF),
    (_ftyp(b"heic", b"mif1", b"heic"), formats.HEIC),
    (_ftyp(b"mif1", b"mif1", b"heic"), formats.HEIC),
    (_ftyp(b"mif1", b"avif", b"mif1"), formats.AVIF),
    (_ftyp(b"avif", b"mif1"), formats.AVIF),
    (b"\x76\x2f\x31\x01\x02\0\0\0", formats.EXR),
    (b"GIF89a\x01\0\x01\0", formats.GIF),
    (b"RIFF\x24\0\0\0WAVEfmt ", formats.WAV),
    (b"RF64\xff\xff\xff\xffWAVEds64", formats.WAV),
    (b"fLaC\0\0\0\x22", formats.FLAC),
    (b"ID3\x04\0\0\0\0\0\0", formats.MP3),
    (b"\xff\xfb\x90\x64\0\0", formats.MP3),
    (b"\xff\xf3\x44\xc4\0\0", formats.MP3),
    (b"\xff\xf1\x50\x80\0\0", formats.AAC),
    (b"OggS\0\x02" + bytes(22) + b"\x01\x1e\x01vorbis", formats.OGG),
    (b"OggS\0\x02" + bytes(22) + b"\x01\x13OpusHead", formats.OPUS),
    (_ftyp(b"M4A ", b"mp42", b"isom"), formats.M4A),
    (b"FORM\0\0\0\x2eAIFFCOMM", formats.AIFF),
    (_ftyp(b"isom", b"avc1", b"mp41"), formats.MP4),
    (_ftyp(b"qt  "), formats.QUICKTIME),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", formats.WEBM),
    (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska", formats.MATROSKA),
    (b"RIFF\x24\0\0\0AVI LIST", formats.AVI),
    (b'# made by hand\r\nTITLE "x"\r\nLUT_3D_SIZE 33\r\n', formats.CUBE),
    (b"LUT_1D_SIZE 1024\n", formats.CUBE),
    (b"PK\x03\x04\x14\0", formats.ZIP),
    (b'\x40\0\0\0\0\0\0\0{"weight":', formats.SAFETENSORS),
]


@pytest.mark.parametrize(("head", "expected"), KNOWN)
def test_known_heads(head: bytes, expected: MediaType) -> None:
    assert sniff(head) is expected


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff",
        b"just some text in a file named picture.png",
        b"RIFF\x24\0\0\0ACON",
        b"\xff\xff\xff\xff",
        b"\xff\xfe\x48\0",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"LUT_3D_SIZE 33\0\n",
        b"The LUT_3D_SIZE 33 keyword",
        bytes(64),
    ],
)
def test_anything_else_is_unknown(head: bytes) -> None:
    assert sniff(head) is None


@given(st.binary(max_size=HEAD_BYTES))
def test_never_fails(head: bytes) -> None:
    found = sniff(head)
    assert found is None or found.kind in Media


def test_needs_the_standard_library_only() -> None:
    script = (
        "import sys; import studio_pipelines.media.sniff, studio_pipelines.media.limits;"
        "heavy = {'numpy', 'PIL', 'cv2', 'av', 'pyvips', 'soundfile'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
