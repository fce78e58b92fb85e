"""The tree of errors that the core raises, and the fixed list of their codes.

VenomError
├── UsageError              wrong arguments or an illegal name             exit 2
├── NotFound                a session, model or operation that is not there
│   ├── SessionNotFound
│   └── ModelNotFound
├── AmbiguousModel          one name, two runtimes                         exit 2
├── ReadOnly                a change was asked for in read-only mode
├── Offline                 somebody outside had to be asked, which is switched off
├── ModelInUse              the model that answers was to be removed
├── NotRemovable            a model that is not venom-tui's to remove
├── Declined                a question was answered with no, or there was nobody to ask
│   └── NeedsYes            a load, a switch, a pull or a start would do what needs a yes
├── GuardRefused            a load, a switch, a pull or a start that does not fit, or breaks a limit that refuses
├── PlanChanged             what was planned does not hold any more: somebody else changed something meanwhile
├── RuntimeFailure          what a runtime did, with its own words
│   ├── RuntimeUnavailable  refused, unreachable, not started
│   ├── RuntimeTimeout      no answer within the time limit
│   ├── RuntimeBusy         429 or 503: it asks to come back later
│   ├── RuntimeRefused      401, 403 or another 4xx
│   ├── ContextOverflow     the prompt is longer than the loaded context
│   ├── BadAnswer           HTML, broken JSON, a wrong shape
│   ├── CutStream           a stream that ended without its end marker
│   ├── LoadFailed          a model that could not be loaded
│   │   └── OutOfMemory     because there was not memory enough; tells who held what
│   ├── StartFailed         a server that could not be started, or did not end
│   └── DownloadFailed      what was to be fetched did not come, or came damaged
├── NoSpace                 a download that does not fit on its disk
├── StoreError              the database could not be read or written
│   ├── StoreTooNew         written by a newer venom-tui
│   ├── StoreDamaged        not a database any more
│   └── DiskFull            no space left for the database
├── OperationRefused        an operation does not let itself be changed so
└── Interrupted             the work was stopped by the user
"""

from __future__ import annotations

from typing import ClassVar


class VenomError(Exception):
    """A failure that a person is told about: one sentence, what to do, and the server's own words.

    Attributes:
        message: one sentence: what is wrong. Already sanitized.
        hint: what to do about it, or "".
        server_message: the words of the server or library behind it, sanitized, or "".
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", server_message: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.server_message = server_message

    def as_dict(self) -> dict[str, object]:
        """The object that `--json` prints under "error"."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "server_message": self.server_message,
        }


class UsageError(VenomError):
    """Wrong arguments or an illegal name."""

    code = "usage"
    exit_code = 2


class NotFound(VenomError):
    """Something that was named is not there."""

    code = "not_found"


class SessionNotFound(NotFound):
    """No session has this id."""

    code = "session_not_found"


class ModelNotFound(NotFound):
    """No runtime has a model of this name."""

    code = "model_not_found"


class AmbiguousModel(UsageError):
    """Two runtimes have a model of this name and none of them is the active one."""

    code = "ambiguous_model"


class ReadOnly(VenomError):
    """A change was asked for while venom-tui runs read-only."""

    code = "read_only"


class Offline(VenomError):
    """Somebody outside this machine had to be asked, which is switched off."""

    code = "offline"


class ModelInUse(VenomError):
    """A model was to be changed that answers the next prompt, or of which something is being fetched."""

    code = "model_in_use"


class NotRemovable(VenomError):
    """A model was to be removed that is not venom-tui's to remove."""

    code = "not_removable"


class Declined(VenomError):
    """A question was answered with no, or there was nobody to ask."""

    code = "declined"


class _WithPlan(VenomError):
    """A failure that carries a plan of a load or a switch.

    Attributes:
        plan: the plan (`types.memory.MemoryPlan`); for PlanChanged the new one.
    """

    plan: object = None

    def as_dict(self) -> dict[str, object]:
        """The object that `--json` prints under "error", with who would have to leave."""
        return {**super().as_dict(), "evicts": [one.name for one in getattr(self.plan, "evicts", ())]}


class NeedsYes(_WithPlan, Declined):
    """A load or switch would unload others, or it, a pull or a start breaks a limit that asks; nobody said yes."""


class GuardRefused(_WithPlan):
    """A load or a switch does not fit, or it, a pull or a start would break a limit whose policy refuses."""

    code = "guard_refused"


class PlanChanged(_WithPlan):
    """What was planned does not hold any more: somebody else changed what is loaded, or which model answers."""

    code = "plan_changed"


class RuntimeFailure(VenomError):
    """A runtime did not do what it was asked."""

    code = "runtime_failure"


class RuntimeUnavailable(RuntimeFailure):
    """The runtime refused the connection, cannot be reached, or could not be started."""

    code = "runtime_unavailable"


class RuntimeTimeout(RuntimeFailure):
    """The runtime gave no answer within the time limit."""

    code = "runtime_timeout"


class RuntimeBusy(RuntimeFailure):
    """The runtime has no room for another request now (429, 503).

    Attributes:
        retry_after_s: seconds after which it wants to be asked again, or None.
    """

    code = "runtime_busy"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        server_message: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, server_message=server_message)
        self.retry_after_s = retry_after_s


class RuntimeRefused(RuntimeFailure):
    """The runtime answered with a refusal: a missing key, a forbidden host, a bad request.

    Attributes:
        status: the HTTP status behind it, or None.
    """

    code = "runtime_refused"

    def __init__(self, message: str, *, hint: str = "", server_message: str = "", status: int | None = None) -> None:
        super().__init__(message, hint=hint, server_message=server_message)
        self.status = status


class ContextOverflow(RuntimeFailure):
    """The prompt does not fit into the context that the model was loaded with.

    Attributes:
        prompt_tokens: tokens of the prompt, or None where the server does not say.
        context_length: tokens of the loaded context, or None.
    """

    code = "context_overflow"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        server_message: str = "",
        prompt_tokens: int | None = None,
        context_length: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, server_message=server_message)
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length

    def as_dict(self) -> dict[str, object]:
        """The object that `--json` prints under "error", with the numbers."""
        return {**super().as_dict(), "prompt_tokens": self.prompt_tokens, "context_length": self.context_length}


class BadAnswer(RuntimeFailure):
    """The runtime answered with something that is not its protocol."""

    code = "bad_answer"


class CutStream(RuntimeFailure):
    """The stream ended before its end marker."""

    code = "cut_stream"


class LoadFailed(RuntimeFailure):
    """A model could not be loaded; `server_message` is the runtime's own log."""

    code = "load_failed"


class StartFailed(RuntimeFailure):
    """A server could not be started, or did not end; `server_message` is the end of its log."""

    code = "start_failed"


class OutOfMemory(LoadFailed):
    """A model could not be loaded for want of memory.

    Attributes:
        held: who held what at that moment, each a line.
    """

    code = "out_of_memory"

    def __init__(self, message: str, *, hint: str = "", server_message: str = "", held: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint, server_message=server_message)
        self.held = held

    def as_dict(self) -> dict[str, object]:
        """The object that `--json` prints under "error", with who held what."""
        return {**super().as_dict(), "held": list(self.held)}


class DownloadFailed(RuntimeFailure):
    """What was to be fetched did not come, or came damaged."""

    code = "download_failed"


class NoSpace(VenomError):
    """A download does not fit on the disk where it would lie.

    Attributes:
        missing_bytes: how much more space is needed, None where that is not known.
    """

    code = "no_space"

    def __init__(
        self, message: str, *, hint: str = "", server_message: str = "", missing_bytes: int | None = None
    ) -> None:
        super().__init__(message, hint=hint, server_message=server_message)
        self.missing_bytes = missing_bytes


class NoSuchGpus(VenomError):
    """There are not as many GPUs with as much free memory as were wanted."""

    code = "no_such_gpus"


class StoreError(VenomError):
    """The database could not be read or written."""

    code = "store"


class StoreTooNew(StoreError):
    """The database was written by a newer venom-tui and is left untouched."""

    code = "store_too_new"


class StoreDamaged(StoreError):
    """The file is not a database any more."""

    code = "store_damaged"


class DiskFull(StoreError):
    """There is no space left where the database lies."""

    code = "disk_full"


class OperationRefused(VenomError):
    """An operation does not let itself be changed so: paused, resumed, moved, or by this machine at all."""

    code = "operation_refused"


class Interrupted(VenomError):
    """The work was stopped by the user."""

    code = "interrupted"
    exit_code = 130
