"""Put everything that venom-tui needs into `.venv`: `python3 scripts/bootstrap.py [--dev]`, or `make setup`.

This file must be readable by every Python 3 (no new syntax, few imports): it tells somebody with an old one what is
needed, and ends at once when there is nothing to do. The work is done in `scripts/bootstrapping`.
"""

import hashlib
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST, NEWEST = (3, 11), (3, 14)  # built packages of every dependency exist for these
LAYOUT = "1"  # another number makes every set-up run again
_PROBE = """
import sys, sysconfig
try:
    import ensurepip, venv
    complete = "venv"
except ImportError:
    complete = "bare"
free_threaded = "free" if sysconfig.get_config_var("Py_GIL_DISABLED") else "gil"
print("%d.%d" % sys.version_info[:2], complete, free_threaded)
"""


class SetupError(Exception):
    """The set-up cannot go on; the text says why and what to do."""


def stamp_of(root: str, dev: bool, python: "tuple[int, int]") -> str:
    """Return what a finished set-up of this checkout with a Python of that version is known by."""
    parts = [LAYOUT, root, "%d.%d" % python]
    for name in ("requirements.lock", "requirements-dev.lock")[: 2 if dev else 1]:
        with open(os.path.join(root, name), "rb") as lock:
            parts.append(hashlib.sha256(lock.read()).hexdigest())
    return "\n".join(parts)


def stamp_path(root: str, dev: bool) -> str:
    """Return the file that holds the stamp."""
    return os.path.join(root, ".venv", ".setup-dev" if dev else ".setup")


def is_done(root: str, dev: bool) -> bool:
    """Tell whether there is nothing to do; only true for the Python of `.venv` itself."""
    if not os.path.abspath(sys.executable).startswith(os.path.join(root, ".venv") + os.sep):
        return False
    try:
        with open(stamp_path(root, dev)) as stamp:
            return stamp.read() == stamp_of(root, dev, sys.version_info[:2]) and os.path.exists(
                os.path.join(root, ".venv/bin/venom-tui")
            )
    except OSError:
        return False


def find_python(root: str) -> str:
    """Return the newest usable Python on PATH, or the one that the variable PYTHON names.

    Raises:
        SetupError: there is none.
    """
    given = os.environ.get("PYTHON", "")
    names = (
        [given]
        if given
        else ["python%d.%d" % (3, minor) for minor in range(NEWEST[1], OLDEST[1] - 1, -1)] + ["python3"]
    )
    without_venv = too_old = ""
    for path in _candidates(names, root):
        version, complete, free_threaded = _probe(path)
        if not OLDEST <= version <= NEWEST or free_threaded:
            too_old = too_old or ("%d.%d (%s)" % (version + (path,)) if version > (0, 0) else "")
        elif not complete:
            without_venv = without_venv or "%d.%d" % version
        else:
            return path
    wanted = "Python %d.%d to %d.%d" % (OLDEST + NEWEST)
    if without_venv:
        raise SetupError(
            "Python " + without_venv + " is here, but without its venv module.\n"
            "Debian and Ubuntu: sudo apt install python" + without_venv + "-venv. Then run make again."
        )
    found = "found only " + too_old if too_old else "found none" + (" at " + given if given else "")
    raise SetupError(
        "venom-tui needs " + wanted + " with its venv module; " + found + ".\n"
        "Debian and Ubuntu: sudo apt install python3 python3-venv. "
        "A Python elsewhere is named by: make setup PYTHON=/path/to/python3"
    )


def _candidates(names: "list[str]", root: str) -> "list[str]":
    own = os.path.join(root, ".venv")
    found = []
    for name in names:
        folders = [""] if os.sep in name else os.environ.get("PATH", os.defpath).split(os.pathsep)
        for folder in folders:
            path = os.path.abspath(os.path.join(folder, name))
            if not path.startswith(own) and os.access(path, os.X_OK) and path not in found:
                found.append(path)
    return found


def _probe(path: str) -> "tuple[tuple[int, int], bool, bool]":
    """Return a Python's version ((0, 0): it does not run), whether it can make a venv, whether it has no GIL."""
    try:
        answer = subprocess.check_output([path, "-E", "-s", "-c", _PROBE], stderr=subprocess.DEVNULL, timeout=20)
        version, complete, threads = answer.decode().split()
        major, minor = version.split(".")
    except (OSError, ValueError, subprocess.SubprocessError):
        return (0, 0), False, False
    return (int(major), int(minor)), complete == "venv", threads == "free"


def main() -> int:
    """Set up what is missing; return the exit status."""
    dev = "--dev" in sys.argv[1:]
    if is_done(ROOT, dev):
        return 0
    try:
        if not OLDEST <= sys.version_info[:2] <= NEWEST:
            python = find_python(ROOT)
            os.execv(python, [python, "-E", "-s", os.path.abspath(__file__)] + sys.argv[1:])
        sys.path.insert(0, ROOT)
        from scripts.bootstrapping.steps import set_up

        set_up(ROOT, dev)
    except SetupError as error:
        sys.stderr.write("make setup: %s\n" % error)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nmake setup: stopped; run it again to go on.\n")
        return 130
    return 0


if __name__ == "__main__":
    # The steps import this file under its package name: one module, one SetupError.
    sys.modules["scripts.bootstrap"] = sys.modules[__name__]
    sys.exit(main())
