"""The real Ollama, built from its published module, with llama.cpp's server where it looks for it.

Built in 95 to 120 s on two busy cores: 145 MB of modules to download and 0.9 GB while it is built, all gone
afterwards; 108 MB on disk, most of which is the `llama-server` component again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from scripts.components.component import X86_64, Component, run
from scripts.components.llama_server import LLAMA_SERVER

_VERSION = "0.33.0"
_MODULE = "github.com/ollama/ollama"


def _fill(folder: Path) -> None:
    """Build it with cgo (its SQLite is C), in caches of its own, and lay it out as its own packages do."""
    LLAMA_SERVER.fetch()
    build = folder / "build"
    environment = {
        "GOPATH": str(build / "modules"),
        "GOCACHE": str(build / "cache"),
        "GOBIN": str(folder / "bin"),
        "GOFLAGS": "-modcacherw",
        "CGO_ENABLED": "1",
    }
    flags = f"-s -w -X={_MODULE}/version.Version={_VERSION}"
    command = ["go", "install", "-trimpath", "-ldflags", flags, f"{_MODULE}@v{_VERSION}"]
    run(command, "Ollama could not be built", environment)
    shutil.rmtree(build)
    libraries = folder / "lib" / "ollama"
    shutil.copytree(LLAMA_SERVER.folder / "bin", libraries, symlinks=True)


OLLAMA = Component(
    "ollama", _VERSION, "145 MB, built in 1 to 2 minutes", _fill, "bin/ollama", ("go", "gcc", X86_64), "OLLAMA_BIN"
)
