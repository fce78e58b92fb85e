"""What can be done with sessions from the chat: open, begin, rename, delete, export, find."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content

from venom_tui.ui.screens.chat.base import ChatBase
from venom_tui.ui.screens.chat.session_list import SessionList, is_blank, session_sign, session_title
from venom_tui.ui.text import relative_time
from venom_tui.ui.widgets.columns import Column
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.session import SearchHit, Session

_COLUMNS = (
    Column("", 1, worth=12),
    Column("title", 20, worth=9, stretch=True),
    Column("messages", 8, worth=3, right=True),
    Column("last", 10, worth=5, right=True),
)


class SessionVerbs(ChatBase):
    """The verbs on sessions; the chat screen derives from this."""

    _sessions: tuple[Session, ...] = ()

    async def refresh_sessions(self) -> None:
        """Read the sessions and show them."""
        core = self.core
        if core is not None:
            self._sessions = tuple(await core.sessions.list())
            self.conversation.unseen &= {session.id for session in self._sessions}
            self.show_sessions()

    def show_sessions(self) -> None:
        """Show the sessions that were read last."""
        conversation = self.conversation
        open_id = None if conversation.session is None else conversation.session.id
        # What another venom-tui has just begun and not yet written into is nobody else's business.
        shown = [session for session in self._sessions if session.id == open_id or not is_blank(session)]
        self.query_one(SessionList).show(shown, open_id, conversation.unseen)
        self.host.tell_unseen(len(conversation.unseen))

    # ------------------------------------------------------------------ open, begin

    def open_session(self, session_id: str, hit: SearchHit | None = None, words: tuple[str, ...] = ()) -> None:
        """Open a session, at a search hit when there is one."""
        start(self, lambda: self._open_session(session_id, hit, words), group="open", exclusive=True)

    async def _open_session(self, session_id: str, hit: SearchHit | None, words: tuple[str, ...]) -> None:
        focused = self.focused
        await self.conversation.open(session_id, at=None if hit is None else hit.message_id, words=words)
        self.hide_card()
        self.show_sessions()
        if self.focused is focused:  # who went elsewhere meanwhile stays there
            self.set_focus(self.transcript if hit is not None else self.prompt)

    def action_new_session(self) -> None:
        """Begin a new session."""
        self._after_keys(lambda: self._begin(temporary=False))

    def action_new_temporary(self) -> None:
        """Begin a session of which nothing is ever written."""
        self._after_keys(lambda: self._begin(temporary=True))

    def _after_keys(self, work: Callable[[], object]) -> None:
        """Do something after the keys that the prompt has not read yet: they belong to the session that is left."""
        self.prompt.call_later(work)

    def _begin(self, *, temporary: bool) -> None:
        left = self.conversation.begin(temporary=temporary)
        self.show_card()
        self.set_focus(self.prompt)
        start(self, lambda: self.conversation.settle(left), group="open", exclusive=True)
        if temporary:
            self.say("Nothing of this session is stored; it ends with venom-tui.")

    def pick_session(self) -> None:
        """Pick a session where the list is folded away."""
        from venom_tui.ui.dialogs.picker import Choice, Picker

        now = datetime.now(UTC)
        current = None if self.conversation.session is None else self.conversation.session.id
        choices = [
            Choice(
                session.id,
                (
                    session_sign(session, current, self.conversation.unseen),
                    Content(session_title(session)),
                    Content(f"{session.message_count:,}"),
                    Content(relative_time(session.updated_at, now)),
                ),
                session_title(session).lower(),
            )
            for session in self._sessions
            if session.id == current or not is_blank(session)
        ]
        picker = Picker("Sessions", _COLUMNS, choices, current=current, empty="No session matches.")
        self.app.push_screen(picker, lambda key: self.open_session(key) if key else None)

    # ------------------------------------------------------------------ rename, delete, export

    def _chosen(self) -> Session | None:
        """Return the session under the list's cursor when the list has the focus, else the open one."""
        rows = self.query_one(SessionList)
        if rows.has_focus:
            return next((session for session in self._sessions if session.id == rows.cursor_key), None)
        return self.conversation.session

    def _is_read_only(self) -> bool:
        """Return whether sessions must stay as they are, and say so."""
        if not self.host.read_only:
            return False
        from venom_tui.core.errors import ReadOnly

        self.complain(
            ReadOnly("venom-tui runs read-only: sessions stay as they are.", hint="Start it without --read-only.")
        )
        return True

    def action_rename_session(self) -> None:
        """Give the chosen session another title."""
        from venom_tui.ui.dialogs.ask import Ask

        session, core = self._chosen(), self.core
        if session is None or core is None:
            self.say("There is no session to rename yet.")
            return
        if self._is_read_only():
            return
        dialog = Ask("Rename session", session.title)
        self.app.push_screen(
            dialog, lambda title: self.do(lambda: core.sessions.rename(session.id, title or "")) if title else None
        )

    def action_delete_session(self) -> None:
        """Delete the chosen session after a yes."""
        from venom_tui.ui.dialogs.confirm import Confirm

        session, core = self._chosen(), self.core
        if session is None or core is None:
            self.say("There is no session to delete yet.")
            return
        if self._is_read_only():
            return
        lines = [
            f"“{session_title(session)}”",
            f"{session.message_count:,} messages are deleted for good, with their traces and index entries.",
        ]
        self.app.push_screen(
            Confirm("Delete session", lines), lambda yes: self.do(lambda: self._delete(core, session)) if yes else None
        )

    async def _delete(self, core: Core, session: Session) -> None:
        running = core.chat.running(session.id)
        if running is not None:
            await core.chat.stop(running)
        await core.sessions.delete(session.id)
        if self.conversation.session is not None and self.conversation.session.id == session.id:
            self._begin(temporary=False)
        await self.refresh_sessions()

    def action_export_session(self) -> None:
        """Write the chosen session to a Markdown or JSON file."""
        from venom_tui.ui.dialogs.ask import Ask

        session, core = self._chosen(), self.core
        if session is None or core is None:
            self.say("There is no session to export yet.")
            return
        name = "".join(c if c.isalnum() or c in "-_ " else "" for c in session_title(session)).strip() or "session"
        path = str(Path.home() / f"{name[:60].replace(' ', '-')}.md")
        dialog = Ask("Export to (.md or .json)", path)
        self.app.push_screen(dialog, lambda to: self.do(lambda: self._export(core, session, to or "")) if to else None)

    async def _export(self, core: Core, session: Session, to: str) -> None:
        written = await core.sessions.export_to(session.id, Path(to).expanduser())
        self.say(f"Written to {written}.")

    # ------------------------------------------------------------------ find

    def action_find(self) -> None:
        """Search the text of all sessions."""
        from venom_tui.ui.dialogs.search import Search

        core = self.core
        if core is not None:
            search = Search(core.sessions.search)
            self.app.push_screen(search, lambda found: self._found(found))

    def _found(self, found: tuple[SearchHit, tuple[str, ...]] | None) -> None:
        if found is not None:
            self.open_session(found[0].session_id, *found)

    def action_prompt(self) -> None:
        """Go to the prompt."""
        self.set_focus(self.prompt)
