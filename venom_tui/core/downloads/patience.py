"""How long a download that does not get on is waited for, and how often it is begun again."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, and counts."""

    quiet_s: float = 10.0
    """Without a byte for so long, that is told."""
    stalled_s: float = 120.0
    """Without a byte for so long, it is begun again from what is there."""
    tries: int = 6
    """How often in a row it may fail without getting on."""
    first_wait_s: float = 1.0
    """Before the second try; the wait doubles with each further one."""
    longest_wait_s: float = 30.0
    enough_bytes: int = 64 * _MIB
    """So much fetched makes the earlier failures forgotten."""

    def wait_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        return min(self.longest_wait_s, self.first_wait_s * 2.0 ** max(0, failures - 1))


def silence(seconds: float, step_s: float = 5.0) -> int:
    """Return a silence as it is told: in steps, so that it is not another text each second."""
    return int(seconds // step_s * step_s)
