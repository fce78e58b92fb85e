"""A registry of models on loopback, from which a real Ollama pulls: `127.0.0.1:PORT/library/NAME`, with `insecure`.

    with Registry() as registry:
        name = registry.add("big", weights)
        registry.faults.rate = 40e6
        …  # registry.fetched(digest)

Ollama wants the blobs of a registry to be redirected to another host name. Faults, orders and what was asked: see Hub.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from tests.hub import Handler, Hub

MEDIA = "application/vnd.ollama.image."
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LICENCE = b"A licence made for a test.\n" * 400


class _Answers(Handler):
    """What a registry answers."""

    hub: Registry

    def _truth(self, path: str) -> None:
        found = re.fullmatch(r"(/direct)?/v2/(.+)/(manifests|blobs)/(.+)", path)
        if path in ("/v2", "/v2/"):
            self._send(b"{}")
        elif found is None:
            self._send(b"{}", 404)
        elif found[3] == "manifests":
            manifest = self.hub.manifests.get(f"{found[2]}:{found[4]}")
            body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
            self._send(manifest or body, 200 if manifest else 404, kind=MANIFEST if manifest else "application/json")
        elif found[4] not in self.hub.blobs:
            self._send(b"{}", 404)
        elif found[1] is None and self.command == "GET":
            port = self.hub.url.rpartition(":")[2]
            self._send(b"", 307, {"location": f"http://localhost:{port}/direct{path}"})
        else:
            self._blob(found[4])

    def _blob(self, digest: str) -> None:
        content = self.hub.blobs[digest]
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        begin, end = 0, size - 1
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if asked:
            begin, end = int(asked[1]), min(int(asked[2] or end), end)
        self.send_response(206 if asked else 200)
        self.send_header("content-length", str(end - begin + 1))
        if asked:
            self.send_header("content-range", f"bytes {begin}-{end}/{size}")
        self.end_headers()
        if self.command != "HEAD":
            with self.hub.sending():
                self._pour(digest, content, begin, end + 1)


class Registry(Hub):
    """The registry; a context manager."""

    handler = _Answers

    def __init__(self) -> None:
        super().__init__()
        self.blobs: dict[str, bytes | Path] = {}
        self.manifests: dict[str, bytes] = {}

    @property
    def host(self) -> str:
        """What names of its models begin with."""
        return self.url.partition("://")[2]

    def add(self, name: str, weights: bytes | Path, *, tag: str = "latest", licence: bytes = LICENCE) -> str:
        """Have a model; return the digest of its weights."""
        config = {
            "model_format": "gguf", "model_family": "llama", "model_families": ["llama"], "model_type": "134.52M",
            "file_type": "Q4_1", "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
        }  # fmt: skip
        layers = [("model", weights), ("license", licence), ("params", b'{"temperature":0}')]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, **self._blob(json.dumps(config).encode())},
            "layers": [{"mediaType": MEDIA + kind, **self._blob(content)} for kind, content in layers],
        }
        self.manifests[f"library/{name}:{tag}"] = json.dumps(manifest).encode()
        return str(manifest["layers"][0]["digest"])  # type: ignore[index]

    def size(self, name: str, tag: str = "latest") -> int:
        """Return the size of all layers of a model."""
        manifest = json.loads(self.manifests[f"library/{name}:{tag}"])
        return sum(layer["size"] for layer in [*manifest["layers"], manifest["config"]])

    def _blob(self, content: bytes | Path) -> dict[str, Any]:
        data = content.read_bytes() if isinstance(content, Path) else content
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = content
        return {"digest": digest, "size": len(data)}
