"""Slash commands: a line that begins with `/` is a command to the program, never a prompt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """Something that can be told to the program.

    `action` is what it does, an action of the screen or the application; "" for what takes an argument, which the
    screen is given. `values` are what the argument may be, as far as there is a list.
    """

    meaning: str
    action: str = ""
    usage: str = ""
    values: tuple[str, ...] = ()


COMMANDS: dict[str, Command] = {
    "help": Command("show all keys", "app.help"),
    "new": Command("begin a new session", "screen.new_session"),
    "temporary": Command("begin a session that is never stored", "screen.new_temporary"),
    "model": Command("pick the model that answers", usage="[words of its name]"),
    "back": Command("go back to the model before", "app.previous_model"),
    "retry": Command("ask another model the last prompt, too", usage="[words of its name]"),
    "again": Command("ask for the last answer again", "screen.regenerate"),
    "compare": Command("show two answers side by side", "screen.compare"),
    "think": Command(
        "whether, or how much, the model thinks first",
        usage="on|off|low|medium|high|auto",
        values=("on", "off", "low", "medium", "high", "auto"),
    ),
    "format": Command(
        "what answers must be: JSON, or fit a schema", usage="json|SCHEMA-FILE|off", values=("json", "off")
    ),
    "context": Command("tokens of context that the model is loaded with", usage="[N|auto]", values=("auto",)),
    "oldest": Command(
        "whether the oldest turns are left out where all does not fit", usage="leave|keep", values=("leave", "keep")
    ),
    "set": Command("set a parameter of the active model", usage="NAME VALUE|off"),
    "params": Command("show the parameters of the active model", "screen.parameters"),
    "edit": Command("write the prompt in your editor", "screen.edit_prompt"),
    "resume": Command("send the prompts that wait", "screen.resume_queue"),
    "sessions": Command("list the sessions", "screen.sessions"),
    "find": Command("search the text of all sessions", "screen.find"),
    "rename": Command("give the session another title", "screen.rename_session"),
    "delete": Command("delete the session", "screen.delete_session"),
    "export": Command("write the session to a file", "screen.export_session"),
    "copy": Command("copy the last answer", "screen.copy_answer"),
    "quit": Command("quit venom-tui", "app.quit"),
}


def parse(text: str) -> tuple[str, str] | None:
    """Return name and argument where a text is a command, ("", "") for a lone slash, None for a prompt.

    `/etc/passwd is what?` is a prompt, since a name holds no other slash; so is what has several lines, or a blank
    before the slash.
    """
    line = text.rstrip()
    if not line.startswith("/") or "\n" in line:
        return None
    name, _, argument = line[1:].partition(" ")
    return None if "/" in name else (name.lower(), argument.strip())


def similar(name: str) -> list[str]:
    """Return the commands that begin as a name does, else all."""
    return [command for command in COMMANDS if command.startswith(name[:2])] or list(COMMANDS)


def completions(text: str, parameters: tuple[str, ...] = ()) -> list[str]:
    """Return what a line that begins with `/` could go on to; [] where it is no command or nothing is known.

    Args:
        text: the line so far.
        parameters: names that `/set` knows.
    """
    if parse(text) is None:
        return []
    name, blank, argument = text[1:].partition(" ")
    if not blank:
        return [f"/{command}" for command in COMMANDS if command.startswith(name.lower())]
    values = parameters if name == "set" else COMMANDS[name].values if name in COMMANDS else ()
    return [f"/{name} {value}" for value in values if value.startswith(argument) and value != argument]
