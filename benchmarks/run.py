"""Run the benchmarks one after the other: `python -m benchmarks.run [NAME…]`, or `make bench`.

A benchmark is a module of this package that can be run by itself and prints its own figures. What fails is named at the
end; the others are run all the same.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
_NOT_BENCHMARKS = frozenset({"run", "paced_server"})


def names() -> list[str]:
    """Return the benchmarks that there are."""
    found = (module.name for module in pkgutil.iter_modules([str(FOLDER)]) if not module.ispkg)
    return [name for name in found if name not in _NOT_BENCHMARKS and _runs_alone(name)]


def _runs_alone(name: str) -> bool:
    return '__name__ == "__main__"' in (FOLDER / f"{name}.py").read_text(encoding="utf-8")


def main(wanted: list[str]) -> int:
    """Run benchmarks; return the exit status."""
    known = names()
    if unknown := [name for name in wanted if name not in known]:
        print(f"There is no benchmark {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    results = []
    for name in wanted or known:
        print(f"\n== {name}", flush=True)
        begun = time.monotonic()
        status = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=FOLDER.parent, check=False).returncode
        results.append((name, time.monotonic() - begun, status))
    print(f"\n{'benchmark':<20} {'seconds':>8}  result")
    for name, seconds, status in results:
        print(f"{name:<20} {seconds:8.1f}  {'ok' if status == 0 else f'failed with {status}'}")
    return 1 if any(status for _, _, status in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
