"""`venom-tui sessions`: what was said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.options import check_writable, confirm, json_option
from venom_tui.cli.output import data_of, paint, put, show, size, table, when
from venom_tui.cli.running import run_with_core
from venom_tui.core.sanitize import sanitize
from venom_tui.core.types.session import Message, MessageState, Role, SearchHit, Session

if TYPE_CHECKING:
    from venom_tui.core.core import Core

_SHORT_ID = 16


@click.group("sessions")
def command() -> None:
    """List, read, search, rename, export and delete sessions."""


@command.command("list")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The newest N only.")
@json_option
@click.pass_obj
def list_sessions(flags: dict[str, Any], limit: int | None, as_json: bool) -> None:
    """List the sessions, newest first."""

    async def work(core: Core) -> list[Session]:
        return await core.sessions.list(limit)

    sessions = run_with_core(work, flags)
    rows = [
        (session.id[:_SHORT_ID], when(session.updated_at), str(session.message_count), _title(session))
        for session in sessions
    ]
    lines = table(("ID", "LAST CHANGED", "MESSAGES", "TITLE"), rows) if rows else ["There is no session yet."]
    show(sessions, lambda: lines, as_json=as_json)


def _title(session: Session) -> str:
    return (session.title or "(untitled)") + (" (being answered)" if session.streaming else "")


@command.command("show")
@click.argument("session_id", metavar="ID")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The last N messages only.")
@json_option
@click.pass_obj
def show_session(flags: dict[str, Any], session_id: str, limit: int | None, as_json: bool) -> None:
    """Show a session with its messages. The beginning of an ID is enough."""

    async def work(core: Core) -> tuple[Session, list[Message]]:
        session = await core.sessions.get(session_id)
        messages = await core.sessions.messages(session.id, limit=limit, data=False)
        # Read again: looking at the messages may have found out that their writer is dead.
        return await core.sessions.get(session.id), messages

    session, messages = run_with_core(work, flags)
    show({**data_of(session), "messages": messages}, lambda: _conversation(session, messages), as_json=as_json)


def _conversation(session: Session, messages: list[Message]) -> list[str]:
    lines = [paint(_title(session), "bold"), f"{session.id}, {when(session.created_at)} to {when(session.updated_at)}"]
    for message in messages:
        lines += ["", paint(_heading(message), "dim"), sanitize(message.content), *_beside(message)]
        if message.error:
            lines.append(sanitize(message.error))
    return lines


def _beside(message: Message) -> list[str]:
    files = [paint(f"+ {one.name}, {size(one.size_bytes)}", "dim") for one in message.attachments]
    return files + [paint(f"calls for {call.name} with {call.arguments}", "dim") for call in message.tool_calls]


def _heading(message: Message) -> str:
    who = {Role.USER: "you", Role.PROGRAM: "venom-tui"}.get(message.role, message.model or message.role.value)
    state = "" if message.state is MessageState.COMPLETE else f" ({message.state.value})"
    return f"{who}, {when(message.created_at)}{state}"


@command.command("search")
@click.argument("text")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Most hits.")
@json_option
@click.pass_obj
def search(flags: dict[str, Any], text: str, limit: int, as_json: bool) -> None:
    """Find the messages that hold all words of TEXT."""

    async def work(core: Core) -> list[SearchHit]:
        return await core.sessions.search(text, limit=limit)

    hits = run_with_core(work, flags)
    lines = [line for hit in hits for line in _hit(hit)] or ["Nothing was found."]
    show(hits, lambda: lines, as_json=as_json)


def _hit(hit: SearchHit) -> list[str]:
    heading = f"{hit.session_id[:_SHORT_ID]}  {when(hit.created_at)}  {hit.session_title or '(untitled)'}"
    return [heading, "  " + " ".join(_marked(hit).split())]


def _marked(hit: SearchHit) -> str:
    text, place = "", 0
    for start, end in hit.matches:
        text += sanitize(hit.snippet[place:start]) + paint(hit.snippet[start:end], "bold")
        place = end
    return text + sanitize(hit.snippet[place:])


@command.command("rename")
@click.argument("session_id", metavar="ID")
@click.argument("title")
@json_option
@click.pass_obj
def rename(flags: dict[str, Any], session_id: str, title: str, as_json: bool) -> None:
    """Give a session another title."""

    async def work(core: Core) -> Session:
        check_writable(core.settings, "sessions keep their titles")
        session = await core.sessions.get(session_id)
        await core.sessions.rename(session.id, title)
        return await core.sessions.get(session.id)

    session = run_with_core(work, flags)
    show(session, lambda: [f"{session.id} is now {sanitize(session.title)!r}."], as_json=as_json)


@command.command("export")
@click.argument("session_id", metavar="ID")
@click.option("--format", "kind", type=click.Choice(("md", "json")), help="Without it: that of --output, else md.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="A new file; without it stdout.")
@json_option
@click.pass_obj
def export(flags: dict[str, Any], session_id: str, kind: str | None, output: Path | None, as_json: bool) -> None:
    """Write a session as Markdown, or as JSON that keeps everything."""
    kind = kind or ("json" if as_json else None)

    async def work(core: Core) -> str:
        if output is None:
            return await core.sessions.export(session_id, kind or "md")
        session = await core.sessions.get(session_id)
        path = output if kind is None or output.suffix else output.with_name(f"{output.name}.{kind}")
        return str(await core.sessions.export_to(session.id, path))

    found = run_with_core(work, flags)
    if output is None:
        put(found.removesuffix("\n"))
    else:
        show({"path": found}, lambda: [f"Written to {sanitize(found)}."], as_json=as_json)


@command.command("delete")
@click.argument("session_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def delete(flags: dict[str, Any], session_ids: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Delete sessions with their messages, traces and search entries."""

    async def work(core: Core) -> list[Session]:
        check_writable(core.settings, "no session is deleted")
        found = list(
            {session.id: session for session in [await core.sessions.get(name) for name in session_ids]}.values()
        )
        count = sum(session.message_count for session in found)
        what = f"session {found[0].title!r}" if len(found) == 1 else f"{len(found)} sessions"
        confirm(f"Delete {what} with {count} messages, for ever?", yes=yes)
        for session in found:
            await core.sessions.delete(session.id)
        return found

    deleted = run_with_core(work, flags)
    show({"deleted": [session.id for session in deleted]}, lambda: [f"Deleted {len(deleted)}."], as_json=as_json)
