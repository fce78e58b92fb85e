"""Write `requirements*.lock` and `scripts/download_sizes.json` from the ranges in `pyproject.toml`: `make lock`.

uv resolves once for every supported Python and machine; the locks and the sizes come from that one resolution.
Versions that still fit stay as they are; `--upgrade` takes the newest that the ranges allow. Needs uv and the package
registry; writes names, versions, hashes and sizes, and no addresses.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from scripts.bootstrap import NEWEST, OLDEST  # noqa: E402 (the checkout is not installed for scripts)
from scripts.bootstrapping.plan import SIZES, Machine, locked, normalized  # noqa: E402

RUNTIME = ROOT / "requirements.lock"
DEV = ROOT / "requirements-dev.lock"
_TAGS = re.compile(r"^[^-]+-[^-]+-")
_EXPORT = ("export", "--quiet", "--frozen", "--no-header", "--no-annotate", "--no-emit-project")
SUPPORTED = [
    Machine((3, minor), system, architecture)
    for minor in range(OLDEST[1], NEWEST[1] + 1)
    for system in ("manylinux", "musllinux")
    for architecture in ("x86_64", "aarch64")
]
"""Musl is among them so that its users are told which package has no build for it."""


def wanted_ranges(project: dict[str, Any]) -> dict[str, list[str]]:
    """Return the dependencies that the lock is made from: the program's and each group's."""
    groups: dict[str, list[str]] = {"runtime": sorted(project["project"]["dependencies"])}
    return groups | {name: sorted(items) for name, items in project["dependency-groups"].items()}


def sizes(uv_lock: dict[str, Any]) -> dict[str, Any]:
    """Return name -> version and bytes of each wheel that a supported machine could take."""
    table: dict[str, Any] = {}
    for package in sorted(uv_lock["package"], key=lambda item: str(item["name"])):
        files = {str(wheel["url"]).rpartition("/")[2]: int(wheel["size"]) for wheel in package.get("wheels", [])}
        taken = {machine.choose(files) for machine in SUPPORTED} - {None}
        if files:
            tags = {_TAGS.sub("", name): size for name, size in sorted(files.items()) if name in taken}
            table[normalized(package["name"])] = {"version": package["version"], "wheels": tags}
    return table


def write(folder: Path, upgrade: bool) -> None:
    """Resolve in a folder apart (uv's own lock names addresses) and write the files.

    Raises:
        subprocess.CalledProcessError: uv failed; it has said why.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if not upgrade:
        kept = {**(locked(DEV) if DEV.exists() else {}), **(locked(RUNTIME) if RUNTIME.exists() else {})}
        pins = json.dumps([f"{name}=={version}" for name, version in kept.items()])
        text = text.replace("[tool.uv]\n", f"[tool.uv]\nconstraint-dependencies = {pins}\n")
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    (folder / "README.md").touch()
    (folder / "venom_tui").mkdir()
    shutil.copy(ROOT / "venom_tui" / "__init__.py", folder / "venom_tui")
    uv = [shutil.which("uv") or str(Path(sys.executable).with_name("uv")), "--directory", str(folder)]
    subprocess.run([*uv, "lock", "--quiet", "--no-build"], check=True)
    for path, selection in ((RUNTIME, ("--no-dev", "--group", "demonstration")), (DEV, ("--only-group", "dev"))):
        subprocess.run([*uv, *_EXPORT, *selection, "--output-file", str(path)], check=True, stdout=subprocess.DEVNULL)
    project = tomllib.loads(text)
    made_from = {
        "made_from": wanted_ranges(project),
        "packages": sizes(tomllib.loads((folder / "uv.lock").read_text())),
    }
    SIZES.write_text(json.dumps(made_from, indent=1) + "\n", encoding="utf-8")


def faults() -> list[str]:
    """Return what does not fit together between `pyproject.toml`, the locks and the sizes (reads files only)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    made = json.loads(SIZES.read_text(encoding="utf-8"))
    found = []
    if made["made_from"] != wanted_ranges(project):
        found.append("the dependencies in pyproject.toml are not those that the lock was made from")
    pinned = locked(RUNTIME) | locked(DEV)
    found += [
        f"{name} {version} is locked, and its size is not known"
        for name, version in pinned.items()
        if made["packages"].get(name, {}).get("version") != version
    ]
    for path in (RUNTIME, DEV, SIZES):
        if "://" in path.read_text(encoding="utf-8"):
            found.append(f"{path.name} holds an address")
    return found


def main() -> int:
    """Write the locks, or check them; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that the ranges allow")
    parser.add_argument("--check", action="store_true", help="only tell whether lock and pyproject.toml fit together")
    arguments = parser.parse_args()
    if arguments.check:
        wrong = faults()
        print("\n".join([*wrong, "Run: make lock"] if wrong else ["The lock fits pyproject.toml."]))
        return 1 if wrong else 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            write(Path(folder), arguments.upgrade)
        except FileNotFoundError:
            print("uv is needed: .venv/bin/python -m pip install uv", file=sys.stderr)
            return 1
        except subprocess.CalledProcessError as error:
            print("Where a version that is locked stands in the way: make lock UPGRADE=1", file=sys.stderr)
            return error.returncode
    print(f"{len(locked(RUNTIME))} packages for the program, {len(locked(DEV))} for development.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
