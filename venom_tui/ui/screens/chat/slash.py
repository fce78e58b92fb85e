"""Slash commands: a line that begins with `/` is a command to the program, never a prompt."""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "help": ("app.help", "show all keys"),
    "new": ("screen.new_session", "begin a new session"),
    "temporary": ("screen.new_temporary", "begin a session that is never stored"),
    "model": ("app.pick_model", "pick the model that answers"),
    "sessions": ("screen.sessions", "list the sessions"),
    "find": ("screen.find", "search the text of all sessions"),
    "rename": ("screen.rename_session", "give the session another title"),
    "delete": ("screen.delete_session", "delete the session"),
    "export": ("screen.export_session", "write the session to a file"),
    "again": ("screen.regenerate", "ask for the last answer again"),
    "copy": ("screen.copy_answer", "copy the last answer"),
    "quit": ("app.quit", "quit venom-tui"),
}
"""Name -> (action, meaning)."""


def command_of(text: str) -> str | None:
    """Return the name after the slash when the text is one line `/name`, "" for a lone slash, None for a prompt.

    `/etc/passwd is what?` and the like are prompts: a command is one word without another slash.
    """
    word = text.strip()
    if not word.startswith("/") or "\n" in word or " " in word or "/" in word[1:]:
        return None
    return word[1:].lower()


def suggestions(name: str) -> list[str]:
    """Return the commands that begin with what was typed, else all."""
    matching = [command for command in COMMANDS if command.startswith(name)]
    return matching or list(COMMANDS)
