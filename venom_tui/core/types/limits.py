"""Limits that the user set: how much of the machine is kept for others, and what is done where a limit is broken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LimitKind(StrEnum):
    """What a limit is about."""

    VRAM = "vram"
    """Memory of each GPU that is kept free."""
    RAM = "ram"
    DISK = "disk"
    TEMPERATURE = "temperature"
    SHARE = "share"
    """The largest share of the memory that one model may take."""
    MODELS = "models"
    """How many models the embedded llama.cpp holds."""


class Policy(StrEnum):
    """What is done where a limit would be broken, or is."""

    ASK = "ask"
    WARN = "warn"
    """It is said, and nothing else."""
    REFUSE = "refuse"
    """A load, a pull or a start of a server that would break it is refused, unless it is forced."""
    EVICT = "evict"
    """The least recently used model that venom-tui loaded leaves, without a question; files never do."""


@dataclass(frozen=True, slots=True)
class LimitState:
    """A limit that is set, and how it stands now."""

    kind: LimitKind
    subject: str
    """What it is about here: `GPU 0`, `RAM`, `disk models`."""
    limit: int
    now: int | None
    """None: not known."""
    unit: str
    """`bytes`, `celsius`, `percent`, `models`."""
    policy: Policy
    broken: bool
    text: str
    """How it stands, as one clause: `GPU 0: 0.8 GiB free, 1.5 GiB are to be kept`."""

    def __str__(self) -> str:
        return f"{self.text} ({self.policy})"


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that was broken while nothing was loaded by venom-tui, and what is done about it."""

    state: LimitState
    victims: tuple[tuple[str, str], ...] = ()
    """Runtime and name of the models that would leave, or are leaving, for it; the first one first."""
    acts: bool = False
    """Whether they leave now, as the policy says."""


@dataclass(frozen=True, slots=True)
class LimitSetting:
    """A limit that can be set, whether it is or not."""

    kind: LimitKind | None
    """None for the models that are never evicted, which have no policy."""
    title: str
    name: str
    """Key of its setting."""
    meaning: str
    value: str | int | float | None
    is_set: bool
    """Whether there is a limit at all."""
    text: str
    """The value for a person: `4.0 GiB`, `85 °C`, `no limit`."""
    typed: str
    """The value as one would write it; "" where there is no limit."""
    wanted: str
    """What its value must be, as a part of a sentence."""
    source: str
    """Where the value comes from: `flag`, `environment`, `store`, `.env`, `config.toml`, `default`."""
    policy: Policy | None = None
    policy_name: str = ""
    """Key of the setting of its policy."""
    policy_source: str = ""
    stored: tuple[str, ...] = ()
    """Which of the two settings the program itself keeps, whatever wins over them."""

    @property
    def set_by(self) -> str:
        """Where limit and policy come from."""
        return ", ".join(sorted({self.source, self.policy_source} - {"", "default"})) or "default"

    @property
    def next_policy(self) -> Policy:
        """The policy that follows the one in force."""
        found = list(Policy)
        return found[(found.index(self.policy or found[-1]) + 1) % len(found)]


ABOVE_THE_PROGRAM = {"flag": "on the command line", "environment": "in the environment"}
"""Sources that win over what the program keeps, as a part of a sentence."""
