"""The list of sessions beside the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from venom_tui.ui.text import relative_time, signs
from venom_tui.ui.widgets.rows import VerbRows

if TYPE_CHECKING:
    from venom_tui.core.types.session import Session


class SessionList(VerbRows):
    """Sessions, newest first: the open one marked, one that is being answered with a sign, drafts named."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "screen.new_session", "New", id="sessions.new", tooltip="Begin a new session"),
        Binding(
            "t",
            "screen.new_temporary",
            "Temporary",
            show=False,
            id="sessions.temporary",
            tooltip="Begin a session that is never stored",
        ),
        Binding("r", "screen.rename_session", "Rename", id="sessions.rename", tooltip="Give the session another title"),
        Binding(
            "d",
            "screen.delete_session",
            "Delete",
            id="sessions.delete",
            tooltip="Delete the session and all that belongs to it",
        ),
        Binding("x", "screen.export_session", "Export", id="sessions.export", tooltip="Write the session to a file"),
        Binding(
            "slash", "screen.find", "Find", show=False, id="sessions.find", tooltip="Search the text of all sessions"
        ),
    ]

    def __init__(self) -> None:
        super().__init__(id="sessions-list")
        self._sessions: Sequence[Session] = ()
        self._open: str | None = None
        self._unseen: frozenset[str] = frozenset()

    def show(self, sessions: Sequence[Session], open_id: str | None, unseen: frozenset[str]) -> None:
        """Show these sessions; `unseen` holds the ids of those whose answer ended and was not looked at."""
        self._sessions, self._open, self._unseen = sessions, open_id, unseen
        self.set_rows([session.id for session in sessions], self._row)

    def _row(self, index: int, width: int) -> Content:
        session = self._sessions[index]
        age = relative_time(session.updated_at, datetime.now(UTC))
        room = max(4, width - len(age) - 3)
        title = Content(session_title(session)).truncate(room, ellipsis=True)
        style = "bold $accent" if session.id == self._open else ""
        gap = " " * max(1, width - 2 - title.cell_length - len(age))
        sign = session_sign(session, self._open, self._unseen)
        return Content.assemble(sign, " ", (title.plain, style), gap, (age, "$text-muted"))


def session_sign(session: Session, open_id: str | None, unseen: frozenset[str]) -> Content:
    """Return what stands before a session: it is being answered, its answer was not seen yet, or it is the open one."""
    if session.streaming:
        return Content.styled(signs().loading, "$busy")
    if session.id in unseen:
        return Content.styled(signs().loaded, "$success")
    return Content(signs().pointer if session.id == open_id else " ")


def session_title(session: Session) -> str:
    """Return how a session is called on the screen."""
    if session.temporary:
        return session.title or "temporary, not stored"
    if session.message_count == 0 and session.draft.strip():
        return "draft: " + " ".join(session.draft.split())
    return session.title or "new session"


def is_blank(session: Session) -> bool:
    """Return whether a session holds nothing that anybody wrote."""
    return not (session.message_count or session.draft.strip() or session.title or session.system)
