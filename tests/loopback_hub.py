"""A model hub on loopback: the part of its protocol that ``huggingface_hub`` downloads by."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class Hub:
    """Repositories by name, each with its commits; the last one is ``main``.

    Attributes:
        url: Where it answers.
        asked: Paths that were asked for.
        tokens: ``Authorization`` headers that came.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self._repos: dict[str, dict[str, Mapping[str, bytes]]] = {}

    def commit(self, repo: str, files: Mapping[str, bytes]) -> str:
        """Add a commit to a repository and return its id."""
        commits = self._repos.setdefault(repo, {})
        digest = hashlib.sha1(repr((repo, len(commits), sorted(files))).encode())
        commits[digest.hexdigest()] = dict(files)
        return digest.hexdigest()

    def answer(self, path: str) -> tuple[dict[str, str], bytes] | None:
        """Return headers and content for a path, or None."""
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            found = self._find("/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main")
            return None if found is None else self._described(parts, *found)
        if len(parts) > 4 and parts[2] == "resolve":
            found = self._find("/".join(parts[:2]), parts[3])
            content = found and found[1].get("/".join(parts[4:]))
            if found is not None and content is not None:
                etag = hashlib.sha256(content).hexdigest()
                return {"X-Repo-Commit": found[0], "ETag": f'"{etag}"'}, content
        return None

    def _find(self, repo: str, revision: str) -> tuple[str, Mapping[str, bytes]] | None:
        commits = self._repos.get(repo, {})
        commit = list(commits)[-1] if commits and revision == "main" else revision
        return (commit, commits[commit]) if commit in commits else None

    def _described(
        self, parts: list[str], commit: str, files: Mapping[str, bytes]
    ) -> tuple[dict[str, str], bytes]:
        described: Any
        if len(parts) > 4 and parts[4] == "tree":
            described = [
                {
                    "type": "file",
                    "path": path,
                    "size": len(content),
                    "oid": hashlib.sha1(content).hexdigest(),
                }
                for path, content in files.items()
            ]
        else:
            described = {
                "id": "/".join(parts[2:4]),
                "sha": commit,
                "siblings": [{"rfilename": path} for path in files],
            }
        return {"Content-Type": "application/json"}, json.dumps(described).encode()


@contextmanager
def loopback_hub() -> Iterator[Hub]:
    """Serve a hub on a free port of loopback; set ``HF_ENDPOINT`` to its ``url``."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            path = unquote(self.path.partition("?")[0])
            hub.asked.append(path)
            hub.tokens.add(self.headers.get("Authorization"))
            found = hub.answer(path)
            if found is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            headers, content = found
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    yield hub
    server.shutdown()
    server.server_close()
