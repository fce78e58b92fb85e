"""nvidia-smi as a program to ask."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

MIB = 1024**2


class Smi:
    """nvidia-smi, asked for all figures at once; what this version of it does not know is left out."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are those of --query-gpu; `uuid` is the first."""
        self.names = list(names)

    def gpus(self) -> dict[str, dict[str, str]]:
        """Return UUID -> name of a figure -> its text.

        Raises:
            OSError: there is no nvidia-smi, or it failed; the sentence says why.
        """
        while True:
            done = _run("nvidia-smi", f"--query-gpu={','.join(self.names)}", "--format=csv,noheader,nounits")
            unknown = re.search(r'Field "([^"]+)" is not a valid field', done.stdout + done.stderr)
            if unknown is None or unknown[1] not in self.names:
                break
            self.names.remove(unknown[1])
        if done.returncode:
            raise OSError(f"nvidia-smi failed: {(done.stdout + done.stderr).strip()[:200]}")
        rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
        return {row[0]: dict(zip(self.names, row, strict=True)) for row in rows}

    def process_bytes(self, uuid: str, pid: int) -> int | None:
        """Return what nvidia-smi says that a process holds on a GPU; None where it does not tell."""
        done = _run("nvidia-smi", "--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits")
        for line in done.stdout.splitlines():
            cells = [cell.strip() for cell in line.split(",")]
            if cells[:2] == [uuid, str(pid)] and cells[2].isdigit():
                return int(cells[2]) * MIB
        return None


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        raise OSError(f"there is no {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise OSError(f"{command[0]} did not answer within 60 s") from None


def number_of(text: str) -> float | None:
    """Return a number of nvidia-smi, None for `[N/A]` and its like."""
    try:
        return float(text)
    except ValueError:
        return None
