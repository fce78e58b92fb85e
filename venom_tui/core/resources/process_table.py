"""The processes of this machine as /proc shows them: who started whom, with which command line, holding what."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTENING = "0A"
_MOST_ARGUMENTS = 400
_LONGEST_LINE = 64 * 1024
_OF_THE_KERNEL = 0x00200000
"""PF_KTHREAD: it has no command line."""


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """A process."""

    pid: int
    parent: int
    started: int
    """Clock ticks since the boot: a pid is given again, a pid with its start is not."""
    arguments: tuple[str, ...]
    """Its command line; () where it is not told."""

    @property
    def program(self) -> str:
        """The name of what runs, without its folder; servers that rename themselves (`VLLM::EngineCore`) by that."""
        return os.path.basename(self.arguments[0].strip()) if self.arguments else ""

    def value_of(self, *names: str) -> str | None:
        """Return the value of an option, written as two arguments or with `=`."""
        for number, argument in enumerate(self.arguments):
            if argument in names:
                return self.arguments[number + 1] if number + 1 < len(self.arguments) else None
            for name in names:
                if argument.startswith(f"{name}="):
                    return argument[len(name) + 1 :]
        return None


class ProcessTable:
    """A look at all processes; command lines are read once for each (belongs to one thread)."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        self._root = root
        self._entries: dict[int, ProcessEntry] = {}
        self._children: dict[int, list[int]] = {}
        self.taken_at = float("-inf")
        """When it was looked last, by the clock that never goes back."""

    def refresh(self) -> None:
        """Look again."""
        entries: dict[int, ProcessEntry] = {}
        children: dict[int, list[int]] = {}
        for pid in self._pids():
            entry = self._read(pid)
            if entry is not None:
                entries[pid] = entry
                children.setdefault(entry.parent, []).append(pid)
        self._entries, self._children = entries, children
        self.taken_at = time.monotonic()

    def __iter__(self) -> Iterator[ProcessEntry]:
        return iter(self._entries.values())

    def get(self, pid: int) -> ProcessEntry | None:
        """Return a process as it was seen last."""
        return self._entries.get(pid)

    def lives(self, entry: ProcessEntry) -> bool:
        """Return whether a process still runs, looked at now."""
        now = self._stat(entry.pid)
        return now is not None and now[1] == entry.started

    def below(self, pid: int) -> list[ProcessEntry]:
        """Return the processes that one has started, and those that these have, at any depth."""
        found: list[ProcessEntry] = []
        pending, seen = list(self._children.get(pid, ())), {pid}
        while pending:
            child = pending.pop()
            if child in seen:
                continue
            seen.add(child)
            found.append(self._entries[child])
            pending.extend(self._children.get(child, ()))
        return sorted(found, key=lambda entry: entry.pid)

    def above(self, pid: int) -> list[ProcessEntry]:
        """Return who started a process, and who started that one, up to the first."""
        found: list[ProcessEntry] = []
        entry = self._entries.get(pid)
        while entry is not None and len(found) < 64:
            entry = self._entries.get(entry.parent)
            if entry is not None:
                found.append(entry)
        return found

    def listeners(self, port: int, likely: Iterable[int] = ()) -> set[int]:
        """Return the processes that listen on a TCP port, as far as their open files may be seen.

        `likely` are looked at first; the others only where none of these does.
        """
        sockets = self._sockets(port)
        if not sockets:
            return set()
        first = [pid for pid in likely if pid in self._entries]
        return self._holding(first, sockets) or self._holding(self._entries.keys() - set(first), sockets)

    def opened(self, pid: int, ending: str) -> list[str]:
        """Return the files with such an ending that a process has mapped into its memory, in their order."""
        found: dict[str, None] = {}
        try:
            with (self._root / str(pid) / "maps").open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    path = line[73:].strip() if len(line) > 73 else ""
                    if path.endswith(ending):
                        found[path] = None
        except OSError:
            return []
        return list(found)

    def variable(self, pid: int, name: str) -> str | None:
        """Return a variable of the environment that a process was started with; None where that may not be seen."""
        try:
            data = (self._root / str(pid) / "environ").read_bytes()
        except OSError:
            return None
        prefix = f"{name}=".encode()
        found = next((part for part in data.split(b"\0") if part.startswith(prefix)), None)
        return None if found is None else found[len(prefix) :].decode("utf-8", "replace")

    # ------------------------------------------------------------------ reading

    def _pids(self) -> list[int]:
        try:
            return [int(name) for name in os.listdir(self._root) if name.isdigit()]
        except OSError:
            return []

    def _read(self, pid: int) -> ProcessEntry | None:
        stat = self._stat(pid)
        if stat is None:
            return None
        parent, started, kernel = stat
        if kernel:
            return ProcessEntry(pid, parent, started, ())
        before = self._entries.get(pid)
        if before is not None and before.started == started and before.arguments:
            return before if before.parent == parent else ProcessEntry(pid, parent, started, before.arguments)
        return ProcessEntry(pid, parent, started, self._arguments(pid))

    def _stat(self, pid: int) -> tuple[int, int, bool] | None:
        """Return parent and start of a process, and if it is the kernel's; None for one that is gone or has ended."""
        try:
            with open(f"{self._root}/{pid}/stat", "rb", 0) as file:  # hundreds of them: no more than is needed
                data = file.read(4096)
            # The name stands in parentheses and may hold some itself.
            rest = data[data.rindex(b")") + 2 :].split()
            return None if rest[0] in b"ZX" else (int(rest[1]), int(rest[19]), bool(int(rest[6]) & _OF_THE_KERNEL))
        except (OSError, ValueError, IndexError):
            return None

    def _arguments(self, pid: int) -> tuple[str, ...]:
        try:
            with open(f"{self._root}/{pid}/cmdline", "rb") as file:
                data = file.read(_LONGEST_LINE)
        except OSError:
            return ()
        parts = data.rstrip(b"\0").split(b"\0")[:_MOST_ARGUMENTS]
        return tuple(part.decode("utf-8", "replace") for part in parts) if data else ()

    def _sockets(self, port: int) -> set[str]:
        """Return the listening sockets of a port, as open files name them."""
        wanted, found = f":{port:04X}", set()
        for name in ("net/tcp", "net/tcp6"):
            try:
                lines = (self._root / name).read_text(encoding="ascii", errors="replace").splitlines()[1:]
            except OSError:
                continue
            for line in lines:
                fields = line.split()
                if len(fields) > 9 and fields[3] == _LISTENING and fields[1].endswith(wanted):
                    found.add(f"socket:[{fields[9]}]")
        return found

    def _holding(self, pids: Collection[int], sockets: set[str]) -> set[int]:
        found = set()
        for pid in pids:
            folder = f"{self._root}/{pid}/fd"
            try:
                names = os.listdir(folder)
            except OSError:
                continue  # somebody else's, or gone
            for name in names:
                try:
                    if os.readlink(f"{folder}/{name}") in sockets:
                        found.add(pid)
                        break
                except OSError:
                    continue
        return found
