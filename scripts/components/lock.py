"""Write `vllm.lock` from `vllm.in`: `python -m scripts.components.lock` (needs uv and the package registry).

uv resolves for CPython 3.11, then for each newer one with the same versions; the lock holds the hashes of the wheels
that x86-64 Linux takes, and no addresses. A new vLLM: another version in `vllm.in`, then this.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parent
_PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def resolve(folder: Path, python: str, pins: dict[str, str]) -> list[dict[str, Any]]:
    """Return the packages for one Python, with the versions that are pinned already.

    Raises:
        subprocess.CalledProcessError: uv failed; it has said why.
    """
    (folder / "pins.txt").write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
    found = folder / f"pylock.{python.replace('.', '')}.toml"
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    command = [
        uv, "pip", "compile", "--quiet", "vllm.in", "--overrides", "vllm-left-out.in", "--only-binary", ":all:",
        "--constraints", str(folder / "pins.txt"), "--python-version", python,
        "--python-platform", "x86_64-manylinux_2_36", "--format", "pylock.toml", "--output-file", str(found),
    ]  # fmt: skip
    subprocess.run(command, cwd=_FOLDER, check=True, stdout=subprocess.DEVNULL)
    packages: list[dict[str, Any]] = tomllib.loads(found.read_text(encoding="utf-8"))["packages"]
    return packages


def main() -> int:
    """Write the lock; return the exit status."""
    pins: dict[str, str] = {}
    hashes: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for python in _PYTHONS:
            packages = resolve(Path(folder), python, pins)
            for package in packages:
                pins.setdefault(package["name"], package["version"])
                wheels = hashes.setdefault(package["name"], {})
                wheels.update({wheel["hashes"]["sha256"]: wheel["url"] for wheel in package["wheels"]})
            size = sum(max(int(wheel["size"]) for wheel in package["wheels"]) for package in packages)
            print(f"Python {python}: {len(packages)} packages, at most {size / 1e6:.0f} MB")
    lines = ["# Written by scripts/components/lock.py from vllm.in."]
    for name, version in sorted(pins.items()):
        lines += [" \\\n    ".join([f"{name}=={version}", *(f"--hash=sha256:{h}" for h in sorted(hashes[name]))])]
    (_FOLDER / "vllm.lock").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
