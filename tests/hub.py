"""A Hugging Face hub on loopback, against which the real huggingface_hub works.

    with Hub(Repository("org/tiny", {"tiny-Q4_K_M.gguf": data})) as hub:
        hub.answers("/api/models", 429, headers={"retry-after": "7"})
        …  # hub.url, hub.asked

It searches, tells what a repository holds, and serves files with ranges. What is stored in LFS (weights) is redirected
to another host name, as the real one does. It runs in threads: whoever asks it may block, or be another process.
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

_LFS = (".gguf", ".safetensors", ".bin")
_PIECE = 256 * 1024


@dataclass
class Repository:
    """A model repository: files by their path; a Path is served from there."""

    id: str
    files: Mapping[str, bytes | Path]
    commit: str = ""
    gated: bool | str = False
    """Refuses its files, with 401 to strangers and 403 to those with a token."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """More that `/api/models` says of it: downloads, likes, tags, gguf, safetensors, cardData, …"""

    def __post_init__(self) -> None:
        """Give it a commit that its files decide."""
        names = "".join(f"{name}{_size(content)}" for name, content in self.files.items())
        self.commit = self.commit or hashlib.sha1((self.id + names).encode()).hexdigest()
        self._digests: dict[str, str] = {}

    def etag(self, name: str) -> str:
        """Return sha256 of what is in LFS, git's own digest of what is not."""
        if name not in self._digests:
            content = self.files[name]
            data = content.read_bytes() if isinstance(content, Path) else content
            found = hashlib.sha256(data) if is_lfs(name) else hashlib.sha1(b"blob %d\0" % len(data) + data)
            self._digests[name] = found.hexdigest()
        return self._digests[name]

    def row(self, *, files: bool = False, blobs: bool = False) -> dict[str, Any]:
        """Return what `/api/models` says of it."""
        row: dict[str, Any] = {
            "_id": self.id, "id": self.id, "modelId": self.id, "sha": self.commit, "private": False,
            "gated": self.gated, "disabled": False, "downloads": 1, "likes": 0, "tags": [],
            "lastModified": "2026-01-02T03:04:05.000Z", "createdAt": "2026-01-01T00:00:00.000Z", **self.facts,
        }  # fmt: skip
        if files or blobs:
            row["siblings"] = [self._file(name, "rfilename") if blobs else {"rfilename": name} for name in self.files]
        return row

    def tree(self) -> list[dict[str, Any]]:
        """Return what `/tree/` says of its files."""
        rows = []
        for name in self.files:
            row = {"type": "file", "oid": self.etag(name), **self._file(name, "path")}
            if "lfs" in row:
                row["lfs"] = {"oid": row["lfs"]["sha256"], "size": row["size"], "pointerSize": 134}
            rows.append(row)
        return rows

    def _file(self, name: str, called: str) -> dict[str, Any]:
        size, etag = _size(self.files[name]), self.etag(name)
        row: dict[str, Any] = {called: name, "size": size, "blobId": etag}
        return row | {"lfs": {"sha256": etag, "size": size, "pointerSize": 134}} if is_lfs(name) else row


def is_lfs(name: str) -> bool:
    """Return whether the hub keeps a file in LFS."""
    return name.endswith(_LFS)


def _size(content: bytes | Path) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


@dataclass
class Faults:
    """How badly files are served."""

    rate: float = 0.0
    """Bytes a second over all connections; 0: as many as go."""
    cut_after: int = 0
    """A connection breaks after so many bytes of a file …"""
    cuts: int = 0
    """… so often."""
    stall_after: int = 0
    stalls: int = 0
    stall_s: float = 0.0
    """Seconds that a stalled connection is silent."""
    damaged: int = 0
    """So many answers have a wrong bit."""
    ranges: bool = True
    """False: whatever part is asked for, the whole file comes."""


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    """With its query, not decoded."""
    headers: Mapping[str, str]

    @property
    def query(self) -> dict[str, list[str]]:
        """What follows the question mark."""
        return parse_qs(urlsplit(self.path).query)


@dataclass
class _Order:
    """What is to be answered instead of the truth."""

    path: str
    status: int
    body: bytes
    headers: Mapping[str, str]
    delay_s: float
    times: int


class Hub:
    """The hub; a context manager. `answers` and `faults` make it misbehave."""

    handler: type[Handler] | None = None
    """How a derived one answers."""

    def __init__(self, *repositories: Repository) -> None:
        self.repositories = {one.id: one for one in repositories}
        self.asked: list[Asked] = []
        self.pages: dict[str, tuple[str, bytes]] = {}
        """Path -> media type and body of further pages: feeds, papers, manifests."""
        self.token = "hf_secret"
        """Opens gated repositories whose `gated` is "granted"."""
        self.url = ""
        self.faults = Faults()
        self.served: dict[str, list[tuple[int, int]]] = {}
        """Path of a file -> what was sent of it: from the first byte to the one after the last."""
        self.signs = False
        """Whether the addresses of files are good for a while only: as long as `signature` stays what it is."""
        self.signature = 1
        self.serving = 0
        """Files that are being sent."""
        self._due = 0.0
        self._lock = threading.Lock()
        self._orders: list[_Order] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        """Listen."""
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def answers(
        self,
        path: str,
        status: int = 200,
        body: bytes | str = b"{}",
        *,
        headers: Mapping[str, str] | None = None,
        delay_s: float = 0.0,
        times: int = 1_000_000,
    ) -> None:
        """Answer paths that match a pattern (`*`) so, the latest order first; `delay_s` before each 64 bytes of it."""
        data = body.encode() if isinstance(body, str) else body
        self._orders.insert(0, _Order(path, status, data, headers or {}, delay_s, times))

    def behaves(self) -> None:
        """Answer everything truly again."""
        self._orders.clear()

    def asked_for(self, pattern: str) -> list[Asked]:
        """Return the requests whose path, without query, matches a pattern."""
        return [one for one in self.asked if fnmatch.fnmatch(urlsplit(one.path).path, pattern)]

    def fetched(self, name: str) -> int:
        """Return how many bytes of a file were sent, those that were sent again included."""
        return sum(end - begin for begin, end in self.served.get(name, ()))

    def wait_for(self, size: int) -> None:
        """Wait until so many more bytes may be sent."""
        if not self.faults.rate:
            return
        with self._lock:
            now = time.monotonic()
            self._due = max(self._due, now - 0.05) + size / self.faults.rate
            due = self._due
        time.sleep(max(0.0, due - now))

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Count a file while it is sent."""
        with self._lock:
            self.serving += 1
        try:
            yield
        finally:
            with self._lock:
                self.serving -= 1

    def happens(self, fault: str) -> bool:
        """Return whether a fault is due, which is then one less."""
        with self._lock:
            left = getattr(self.faults, fault)
            setattr(self.faults, fault, max(0, left - 1))
            return bool(left > 0)

    def order_for(self, path: str) -> _Order | None:
        """Return what is to be answered instead of the truth."""
        for order in self._orders:
            if order.times > 0 and fnmatch.fnmatch(path, order.path):
                order.times -= 1
                return order
        return None


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the standard library's name)
        """Say nothing: `hub.asked` holds everything."""

    def do_GET(self) -> None:
        """Answer."""
        self.hub.asked.append(Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        path = unquote(urlsplit(self.path).path)
        order = self.hub.order_for(path)
        try:
            if order is not None:
                self._obey(order)
            else:
                self._truth(path)
        except OSError:
            self.close_connection = True  # the client went away

    do_HEAD = do_GET

    def _obey(self, order: _Order) -> None:
        self.send_response(order.status)
        for name, value in {"content-type": "application/json", **order.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(order.body)))
        self.end_headers()
        step = 64 if order.delay_s else _PIECE
        for at in range(0, len(order.body) if self.command != "HEAD" else 0, step):
            time.sleep(order.delay_s)
            self.wfile.write(order.body[at : at + step])

    def _truth(self, path: str) -> None:
        if path in self.hub.pages:
            kind, body = self.hub.pages[path]
            self._send(body, kind=kind)
        elif path == "/api/models":
            self._search()
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            self._about(found[1], found[2])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[3])
        elif found := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
            if self.hub.signs and f"signature={self.hub.signature}" not in self.path:
                self._send(b"<Error>Request has expired</Error>", 403, kind="application/xml")
                return
            self._content(self.hub.repositories[found[1]], found[2])
        else:
            self._missing("RepoNotFound", "Repository not found")

    def _search(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        words = query.get("search", [""])[0].lower()
        rows = [one.row() for one in self.hub.repositories.values() if words in one.id.lower()]
        wanted = set(query.get("filter", []))
        rows = [row for row in rows if wanted <= set(row["tags"])]
        rows = [row for row in rows if query.get("pipeline_tag") in (None, [row.get("pipeline_tag")])]
        order: Callable[[dict[str, Any]], Any] = lambda row: row.get(query.get("sort", ["downloads"])[0]) or 0  # noqa: E731
        rows.sort(key=order, reverse=True)
        self._json(rows[: int(query.get("limit", ["1000"])[0])])

    def _about(self, repository_id: str, what: str | None) -> None:
        repository = self.hub.repositories.get(repository_id)
        if repository is None:
            # What is private is not told from what is not there.
            self._missing("RepoNotFound", "Repository not found", 404 if self._token else 401)
        elif what == "tree":
            self._json(repository.tree())
        else:
            self._json(repository.row(files=True, blobs="blobs=" in self.path))

    @property
    def _token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def _resolve(self, repository_id: str, name: str) -> None:
        repository = self.hub.repositories.get(repository_id)
        if repository is None:
            self._missing("RepoNotFound", "Repository not found")
        elif name not in repository.files:
            self._missing("EntryNotFound", "Entry not found")
        elif repository.gated and not (repository.gated == "granted" and self._token == self.hub.token):
            words = f"Access to model {repository_id} is restricted. You must have access to it."
            self._missing("GatedRepo", words, 403 if self._token else 401)
        elif is_lfs(name):
            etag, size = repository.etag(name), _size(repository.files[name])
            port = self.hub.url.rpartition(":")[2]
            signed = f"?signature={self.hub.signature}" if self.hub.signs else ""
            self._json(
                {},
                302,
                {
                    "location": f"http://localhost:{port}/cdn/{repository_id}/{name}{signed}",
                    "x-repo-commit": repository.commit,
                    "x-linked-etag": f'"{etag}"',
                    "x-linked-size": str(size),
                    "etag": f'"{hashlib.md5(etag.encode()).hexdigest()}"',
                },
            )
        else:
            self._content(repository, name)

    def _content(self, repository: Repository, name: str) -> None:
        content = repository.files[name]
        size, begin, end = _size(content), 0, _size(content) - 1
        headers = {
            "etag": f'"{repository.etag(name)}"', "x-repo-commit": repository.commit, "accept-ranges": "bytes",
        }  # fmt: skip
        ranges = self.hub.faults.ranges
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", "") if ranges else ""):
            begin, end = int(asked[1]), min(int(asked[2] or end), end)
            if begin >= size:
                self._send(b"", 416, {"content-range": f"bytes */{size}"})
                return
            headers["content-range"] = f"bytes {begin}-{end}/{size}"
        self.send_response(206 if asked else 200)
        for key, value in {**headers, "content-length": str(end - begin + 1)}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            with self.hub.sending():
                self._pour(name, content, begin, end + 1)

    def _pour(self, name: str, content: bytes | Path, begin: int, end: int) -> None:
        at, faults = begin, self.hub.faults
        damaged = self.hub.happens("damaged")
        try:
            with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
                file.seek(begin)
                while at < end and (piece := file.read(min(_PIECE, end - at))):
                    if damaged:
                        piece, damaged = bytes([piece[0] ^ 1]) + piece[1:], False
                    self.hub.wait_for(len(piece))
                    if faults.cut_after and at - begin >= faults.cut_after and self.hub.happens("cuts"):
                        self.close_connection = True
                        self.connection.shutdown(socket.SHUT_RDWR)
                        return
                    if faults.stall_after and at - begin >= faults.stall_after and self.hub.happens("stalls"):
                        time.sleep(faults.stall_s)
                    self.wfile.write(piece)
                    at += len(piece)
        finally:
            self.hub.served.setdefault(name, []).append((begin, at))

    def _missing(self, code: str, words: str, status: int = 404) -> None:
        self._json({"error": words}, status, {"x-error-code": code, "x-error-message": words})

    def _json(self, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), status, headers)

    def _send(
        self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None, kind: str = "application/json"
    ) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _handler_of(hub: Hub) -> type[Handler]:
    return type("Answering", (hub.handler or Handler,), {"hub": hub})
