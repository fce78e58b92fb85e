"""How often the machine is looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are looked at, in seconds."""

    fast: float = 1.0
    """Between two looks while somebody watches."""
    slow: float = 5.0
    """The same while nobody does."""
    processes: float = 2.0
    """Between two looks at processes and their memory, at least."""
    table: float = 10.0
    """Between two looks at all processes, for those that hold models; new ones are looked for at once."""
    disks: float = 5.0
    no_driver: float = 30.0
    """Between two attempts to find a driver where there is none."""
    patience: float = 0.25
    """How long a look waits for the driver before it goes on with the figures from before."""
    first: float = 3.0
    """How long a snapshot that was asked for waits for the driver: opening it takes seconds on some machines."""
    stale: float = 3.0
    """How long the driver may be silent before its figures are called stale."""
    grace: float = 12.0
    """How long a model may be listed without its process before it is called dead."""
