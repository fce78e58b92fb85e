"""Units of systemd: started, stopped and looked at with `systemctl`, their log from the journal. No shell is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from venom_tui.core.errors import StartFailed
from venom_tui.core.sanitize import sanitize_line

_LIMIT_S = 120.0
_LOOK_S = 10.0
_LARGEST = 512 * 1024


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit, and whose systemd has it."""

    name: str
    user: bool = False

    def systemctl(self, *arguments: str) -> list[str]:
        """Return the argument vector of a `systemctl` for it."""
        return ["systemctl", *self._user(), "--no-ask-password", "--no-pager", *arguments, "--", self.name]

    def journalctl(self, count: int) -> list[str]:
        """Return the argument vector that prints the last lines of its log."""
        owner = "--user-unit" if self.user else "--unit"
        return ["journalctl", *self._user(), "--no-pager", "--output=cat", f"--lines={count}", f"{owner}={self.name}"]

    def _user(self) -> list[str]:
        return ["--user"] if self.user else []


@dataclass(frozen=True, slots=True)
class UnitState:
    """What systemd says of a unit."""

    active: str
    """`active`, `activating`, `inactive`, `failed`, …; "" where it could not be asked."""
    sub: str = ""
    result: str = ""
    pid: int | None = None
    invocation: str = ""
    reason: str = ""
    """Why it could not be asked."""


async def look(unit: Unit) -> UnitState:
    """Return what systemd says of a unit; a failure is part of the answer."""
    properties = "ActiveState,SubState,Result,MainPID,InvocationID,LoadState"
    try:
        status, said = await _run(unit.systemctl("show", f"--property={properties}"), _LOOK_S)
    except StartFailed as failure:
        return UnitState("", reason=failure.message)
    values = dict(line.partition("=")[::2] for line in said.splitlines() if "=" in line)
    if status != 0 or not values:
        return UnitState("", reason=sanitize_line(said, 200) or f"systemctl ended with status {status}")
    if values.get("LoadState") == "not-found":
        return UnitState("", reason=f"systemd knows no unit {unit.name}")
    pid = values.get("MainPID", "")
    return UnitState(
        active=sanitize_line(values.get("ActiveState", ""), 40),
        sub=sanitize_line(values.get("SubState", ""), 40),
        result=sanitize_line(values.get("Result", ""), 40),
        pid=int(pid) if pid.isdigit() and int(pid) > 0 else None,
        invocation=sanitize_line(values.get("InvocationID", ""), 80),
    )


async def order(unit: Unit, verb: str, limit_s: float = _LIMIT_S) -> None:
    """Start, stop or restart a unit, and return when systemd says that this is done.

    Raises:
        StartFailed: systemd said no, or did not do it in time.
    """
    status, said = await _run(unit.systemctl(verb), limit_s)
    if status != 0:
        needs_right = "authentication" in said.lower() or "access denied" in said.lower()
        raise StartFailed(
            f"systemd did not {verb} {unit.name}.",
            hint=(
                "This user may not; a unit of the user's own (user_unit = true) needs no right."
                if needs_right
                else f"`systemctl {'--user ' if unit.user else ''}status {unit.name}` says more."
            ),
            server_message=sanitize_line(said, 500),
        )


async def log(unit: Unit, count: int) -> list[str]:
    """Return the last lines of a unit's log, sanitized; why there are none as the only line."""
    try:
        status, said = await _run(unit.journalctl(count), _LOOK_S)
    except StartFailed as failure:
        return [failure.message]
    lines = [sanitize_line(line, 500) for line in said.splitlines() if line.strip()]
    return lines[-count:] if lines or status == 0 else [f"journalctl ended with status {status}."]


async def _run(command: Sequence[str], limit_s: float) -> tuple[int, str]:
    """Run a program to its end; return its exit status and what it said."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise StartFailed(
            f"{command[0]} cannot be run: {error.strerror}.", hint="Units need systemd; name a command instead."
        ) from error
    try:
        async with asyncio.timeout(limit_s):
            said, _ = await process.communicate()
    except TimeoutError:
        raise StartFailed(f"{command[0]} did not answer within {limit_s:g} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said[-_LARGEST:].decode("utf-8", "replace")
