"""`venom-tui chat`: one turn."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.failures import failure_of_turn
from venom_tui.cli.options import Seconds, check_writable, json_option, runtime_option
from venom_tui.cli.output import json_text, note, put
from venom_tui.cli.prompt import read_prompt
from venom_tui.cli.running import run_with_core
from venom_tui.cli.stream import TextStream
from venom_tui.core.errors import Interrupted, RuntimeTimeout, UsageError
from venom_tui.core.types.memory import Consent
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import THINKING, MessageState
from venom_tui.core.types.turn import TurnDelta, TurnEnded, TurnEvent, TurnNotice, TurnStatus, TurnToolCall

if TYPE_CHECKING:
    from venom_tui.core.core import Core


_LAST_WORDS_S = 0.5


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command line said."""

    mode: str
    model: str | None
    runtime: str | None
    session: str | None
    system: str | None
    files: tuple[Path, ...]
    schema: str | None
    think: str | None
    context: int | None
    leave_out_oldest: bool
    consent: Consent
    timeout_s: float | None
    save: bool
    as_json: bool


@click.command("chat")
@click.argument("prompt", required=False)
@click.option("--mode", type=click.Choice(("direct", "normal", "complex")), default="direct", show_default=True)
@click.option("--model", metavar="NAME", help="Which model answers; without it the active one.")
@runtime_option
@click.option("--session", metavar="ID|new", help="Go on with a session; without it a new one begins.")
@click.option("--system", metavar="TEXT", help="System message of a new session.")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Text file or image that goes with the prompt; may be given several times.",
)
@click.option("--schema", metavar="FILE|json", help="JSON schema that the answer must fit; `json`: any JSON.")
@click.option("--think", type=click.Choice(THINKING), help="Whether, or how much, the model thinks before it answers.")
@click.option("--context", type=click.IntRange(min=256), metavar="TOKENS", help="Context, from now on in this session.")
@click.option("--leave-out-oldest", is_flag=True, help="Leave the oldest messages out where the session does not fit.")
@click.option(
    "--timeout",
    "timeout_s",
    type=Seconds(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop when the answer is not complete by then.",
)
@click.option("--yes", is_flag=True, help="Load the model over a limit that asks, too.")
@click.option("--force", is_flag=True, help="Load it over a limit that refuses, too.")
@click.option("--no-save", is_flag=True, help="Write nothing of this turn anywhere.")
@json_option
@click.pass_obj
def command(
    flags: dict[str, Any],
    prompt: str | None,
    mode: str,
    model: str | None,
    runtime: str | None,
    session: str | None,
    system: str | None,
    files: tuple[Path, ...],
    schema: str | None,
    think: str | None,
    context: int | None,
    leave_out_oldest: bool,
    timeout_s: float | None,
    yes: bool,
    force: bool,
    no_save: bool,
    as_json: bool,
) -> None:
    """Send one prompt and print the answer as it comes.

    The prompt is PROMPT, standard input, or both (PROMPT first).
    """
    if session not in (None, "new"):
        if no_save:
            raise UsageError(
                "--no-save keeps nothing, so it cannot go on with a session.", hint="Leave one of them out."
            )
        if system is not None:
            raise UsageError("--system is for new sessions; this one has its own.", hint="Leave --system out.")
    asked = _Asked(
        mode,
        model,
        runtime,
        None if session == "new" else session,
        system,
        files,
        schema,
        think,
        context,
        leave_out_oldest,
        Consent(yes, force),
        timeout_s,
        not no_save,
        as_json,
    )
    text = read_prompt(prompt, may_be_empty=bool(files))
    run_with_core(lambda core: _turn(core, text, asked), flags)


async def _turn(core: Core, text: str, asked: _Asked) -> None:
    check_writable(core.settings, "it sends nothing to a model")
    # Decided once before anything is written: a mistyped model must leave no session behind.
    attachments = [await core.chat.attach(path) for path in asked.files]
    schema = None if asked.schema is None else await core.chat.read_schema(asked.schema)
    await core.chat.route(text, attachments=attachments, mode=asked.mode, model=asked.model, runtime=asked.runtime)
    if asked.session is not None:
        session = await core.sessions.get(asked.session)
    else:
        session = await core.sessions.create(system=asked.system or "", temporary=not asked.save)
    request_id = await core.chat.send(
        session.id,
        text,
        attachments=attachments,
        mode=asked.mode,
        model=asked.model,
        runtime=asked.runtime,
        parameters=GenerationParameters(think=asked.think),
        schema=schema,
        context_length=asked.context,
        leave_out_oldest=asked.leave_out_oldest,
        consent=asked.consent,
    )
    kept = f"What came is kept in session {session.id}." if asked.save else ""
    printer = _Printer(asked.as_json)
    try:
        async with asyncio.timeout(asked.timeout_s):
            ended = await printer.follow(core.chat.follow(request_id))
        await printer.close()
    except asyncio.CancelledError:
        await core.chat.stop(request_id)
        await printer.give_up()
        raise Interrupted("The answer was interrupted.", hint=kept) from None
    except TimeoutError:
        await core.chat.stop(request_id)
        await printer.give_up()
        raise RuntimeTimeout(f"The answer was not complete within {asked.timeout_s:g} s.", hint=kept) from None
    except OSError:
        # Whoever read the answer is gone.
        await core.chat.stop(request_id)
        raise
    _finish(ended, asked)


def _finish(ended: TurnEnded, asked: _Asked) -> None:
    if ended.store_error:
        note(f"venom-tui: the answer could not be saved. {ended.store_error}")
    if ended.message.state is not MessageState.COMPLETE:
        raise failure_of_turn(ended)
    if asked.as_json:
        put(json_text(_object(ended, asked)))
    elif ended.message.demonstration and sys.stderr.isatty():
        note(f"({ended.message.model} is the demonstration model, 135M parameters: often wrong.)")


def _object(ended: TurnEnded, asked: _Asked) -> dict[str, object]:
    message, route = ended.message, ended.route
    timings, usage = message.timings, message.usage
    return {
        "session_id": ended.session_id if asked.save else None,
        "request_id": ended.request_id,
        "mode": asked.mode,
        "intent": route.intent if route else None,
        "runtime": route.runtime or None if route else None,
        "model": route.model or None if route else None,
        "answer": message.content,
        "route": {"target": target(route.target), "reason": route.reason} if route else None,
        "timings": {
            "submit_to_first_token_ms": timings.submit_to_first_token_ms,
            "model_to_first_token_ms": timings.model_to_first_token_ms,
            "total_ms": timings.total_ms,
        },
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "tokens_per_second": usage.tokens_per_second,
            "estimated": usage.estimated,
        },
        "finish_reason": message.finish_reason or "stop",
        **({"tool_calls": message.tool_calls} if message.tool_calls else {}),
    }


def target(target: str) -> str:
    """Return where a prompt goes as scripts know it; what venom-tui answers itself stays here."""
    return "local" if target == "program" else target


class _Printer:
    """Prints the text of a turn while it comes; with --json nothing."""

    def __init__(self, as_json: bool) -> None:
        self._stream = None if as_json else TextStream()
        self._statuses = not as_json and sys.stderr.isatty()
        self._wrote = False
        self._notes: list[str] = []

    async def follow(self, events: AsyncIterator[TurnEvent]) -> TurnEnded:
        """Print until the turn has ended; return how."""
        async for event in events:
            match event:
                case TurnStatus(text=text) if self._statuses and not self._wrote:
                    note(f"{text} …")
                case TurnNotice(text=text):
                    self._note(f"venom-tui: {text}")
                case TurnToolCall(call=call):
                    self._note(f"venom-tui: the model calls for {call.name} with {call.arguments}; nothing was run.")
                case TurnDelta(text=text):
                    self._write(text)
                case TurnEnded(message=message):
                    if not self._wrote:
                        self._write(message.content)
                    return event
        raise AssertionError("a turn ended without saying so")

    def _note(self, text: str) -> None:
        """Say something beside the answer: at once before it begins, else when it has ended, not in its middle."""
        if self._wrote and self._stream is not None:
            self._notes.append(text)
        else:
            note(text)

    def _write(self, text: str) -> None:
        self._wrote = self._wrote or bool(text)
        if self._stream is not None:
            self._stream.write(text)

    async def close(self) -> None:
        """End the line and wait until all is written."""
        if self._stream is not None:
            await self._stream.end()
        for text in self._notes:
            note(text)
        self._notes.clear()

    async def give_up(self) -> None:
        """End the line, without waiting long for somebody who does not read."""
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                await self.close()
        except (TimeoutError, OSError):
            return
