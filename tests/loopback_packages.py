"""A package index and an npm registry on loopback, which can stall or break off."""

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def wheel_of(name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    """Return a wheel with these files and the least metadata that pip takes."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    more = {f"{info}/METADATA": metadata, f"{info}/WHEEL": tags, f"{info}/RECORD": ""}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in {**files, **more}.items():
            archive.writestr(path, content)
    return packed.getvalue()


def tar_of(files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """Return a .tgz with these files, and symbolic links by their names."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for path, target in (links or {}).items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return packed.getvalue()


class Packages:
    """What the server gives.

    Attributes:
        url: Where it answers.
        wheels: Wheels by file name.
        tars: npm packages, ``(name, version)`` to the tar file.
        served: Paths of files that were asked for.
        hold_after_bytes: Where a download stops until ``release`` is set, or None.
        cut_after_bytes: Where a download breaks off, or None.
    """

    def __init__(self) -> None:
        self.url = ""
        self.reset()

    def reset(self) -> None:
        """Forget everything but the address."""
        self.wheels: dict[str, bytes] = {}
        self.tars: dict[tuple[str, str], bytes] = {}
        self.served: list[str] = []
        self.hold_after_bytes: int | None = None
        self.cut_after_bytes: int | None = None
        self.held = threading.Event()
        self.release = threading.Event()

    def add_wheel(self, name: str, version: str, files: Mapping[str, bytes]) -> None:
        self.wheels[f"{name}-{version}-py3-none-any.whl"] = wheel_of(name, version, files)

    @property
    def env(self) -> dict[str, str]:
        """The variables that have pip and npm ask this server and nobody else."""
        return {
            "PIP_INDEX_URL": f"{self.url}/simple",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_FIND_LINKS": "",
            "PIP_EXTRA_INDEX_URL": "",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0",
            "npm_config_registry": f"{self.url}/npm/",
            "npm_config_fetch_retries": "0",
            "no_proxy": "127.0.0.1",
        }

    def page(self, path: str) -> tuple[str, bytes] | None:
        """Return type and content of what is not a download."""
        if path.startswith("/simple/"):
            links = (f'<a href="/files/{name}">{name}</a>' for name in self.wheels)
            return "text/html", "".join(["<!DOCTYPE html>", *links]).encode()
        if path.startswith("/npm/"):
            name = path.removeprefix("/npm/").replace("%2f", "/")
            versions = {
                version: self._npm_version(name, version, packed)
                for (named, version), packed in self.tars.items()
                if named == name
            }
            if versions:
                return "application/json", json.dumps({"name": name, "versions": versions}).encode()
        return None

    def _npm_version(self, name: str, version: str, packed: bytes) -> dict[str, Any]:
        digest = base64.b64encode(hashlib.sha512(packed).digest()).decode()
        tarball = f"{self.url}/files/{name}-{version}.tgz"
        dist = {"tarball": tarball, "integrity": f"sha512-{digest}"}
        return {"name": name, "version": version, "dist": dist}

    def file(self, path: str) -> bytes | None:
        name = path.removeprefix("/files/")
        tars = {f"{one}-{version}.tgz": packed for (one, version), packed in self.tars.items()}
        return {**self.wheels, **tars}.get(name)


@contextmanager
def loopback_packages() -> Iterator[Packages]:
    """Serve packages on a free port of loopback."""
    packages = Packages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page, content = packages.page(self.path), packages.file(self.path)
            if page is not None:
                self._begin(page[0], len(page[1]))
                self.wfile.write(page[1])
            elif content is not None:
                packages.served.append(self.path)
                self._begin("application/octet-stream", len(content))
                self._send(content)
            else:
                self.send_error(404)

        def _begin(self, media_type: str, size_bytes: int) -> None:
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(size_bytes))
            self.end_headers()

        def _send(self, content: bytes) -> None:
            if packages.cut_after_bytes is not None:
                self.wfile.write(content[: packages.cut_after_bytes])
                self.close_connection = True
                return
            if packages.hold_after_bytes is not None:
                self.wfile.write(content[: packages.hold_after_bytes])
                self.wfile.flush()
                packages.held.set()
                packages.release.wait(60)
                content = content[packages.hold_after_bytes :]
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that was killed hangs up; that is what the tests do."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    packages.url = f"http://127.0.0.1:{server.server_port}"
    yield packages
    packages.release.set()
    server.shutdown()
    server.server_close()
