"""Everything that is checked without running the program: `make check`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BIN = Path(sys.executable).parent
_CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("lint", (sys.executable, "-m", "ruff", "check", ".")),
    ("format", (sys.executable, "-m", "ruff", "format", "--check", "--quiet", ".")),
    ("types", (sys.executable, "-m", "mypy")),
    ("layers", (str(_BIN / "lint-imports"), "--no-cache")),
    ("lock", (sys.executable, "-m", "scripts.lock", "--check")),
)


def main() -> int:
    """Run all checks, whatever fails; return the exit status."""
    failed = []
    for name, command in _CHECKS:
        begun = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(
            f"{name:<8} {'ok' if done.returncode == 0 else 'FAILED':<7} {time.monotonic() - begun:5.1f} s", flush=True
        )
        if done.returncode:
            failed.append(name)
            print(done.stdout + done.stderr, flush=True)
    if failed:
        print(f"make check: {', '.join(failed)} failed; `make format` mends the form.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
