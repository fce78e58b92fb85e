"""Write the parts of docs/ that are made from the program: `make docs`.

A page says where such a part belongs:

    <!-- made by `make docs`: keys -->
    …
    <!-- end -->

What stands between is replaced by what the maker of that name returns; the rest of the page is written by hand.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PART = re.compile(r"(<!-- made by `make docs`: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """Return the pages that have such a part."""
    return [page for page in sorted((ROOT / "docs").rglob("*.md")) if _PART.search(page.read_text(encoding="utf-8"))]


def made(page: Path) -> str:
    """Return a page's text with its parts made anew."""
    return _PART.sub(lambda part: part[1] + MAKERS[part[2]]() + part[3], page.read_text(encoding="utf-8"))


def settings() -> str:
    """Return the table of all settings."""
    from venom_tui.core.settings import KEYS

    lines = ["", "| setting | kind | default | meaning |", "|---|---|---|---|"]
    for key in KEYS:
        kind = " or ".join(f"`{choice}`" for choice in key.choices) or {"int": "number", "float": "number"}.get(
            key.kind, key.kind
        )
        if key.minimum is not None and key.maximum is not None:
            kind += f", {key.minimum:,.0f} to {key.maximum:,.0f}"
        default = (
            "" if key.default in (None, "") else f"`{str(key.default).lower() if key.kind == 'bool' else key.default}`"
        )
        meaning = key.meaning + ("; set by the program itself" if key.stored else "")
        lines.append(f"| `{key.name}` | {kind} | {default} | {meaning} |")
    return "\n".join(lines) + "\n\n"


def keys() -> str:
    """Return the tables of all key bindings that have an id, by the part of the screen that they act in."""
    from textual.binding import Binding

    from venom_tui.ui.dialogs.help import room_title as title_of

    tables: dict[str, dict[str, tuple[list[str], str]]] = {}
    for owner in _classes("venom_tui.ui"):
        for binding in Binding.make_bindings(owner.__dict__.get("BINDINGS", [])):
            if binding.id is None:
                continue
            table = tables.setdefault(title_of(binding.id), {})
            shown, _ = table.setdefault(binding.id, ([], str(binding.tooltip or binding.description)))
            key = f"`{binding.key_display or binding.key}`"
            if key not in shown:
                shown.append(key)
    parts = []
    for title in sorted(tables, key=lambda name: (name != "Everywhere", name)):
        rows = [f"| {' '.join(shown)} | {text} | `{name}` |" for name, (shown, text) in tables[title].items()]
        parts.append("\n".join([f"### {title}", "", "| key | does | id |", "|---|---|---|", *rows]))
    return "\n" + "\n\n".join(parts) + "\n\n"


def prompt() -> str:
    """Return the table of the commands that are written in the prompt."""
    from venom_tui.ui.screens.chat.slash import COMMANDS

    lines = ["", "| command | does |", "|---|---|"]
    for name, command in COMMANDS.items():
        written = f"/{name} {command.usage}".rstrip().replace("|", "\\|")
        lines.append(f"| `{written}` | {command.meaning} |")
    return "\n".join(lines) + "\n\n"


def commands() -> str:
    """Return a section for each command, with what click says of it."""
    import click

    from venom_tui.cli.commands import root

    sections: list[str] = []

    def tell(command: click.Command, path: str) -> None:
        context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100)
        context.help_option_names = ["-h", "--help"]
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                tell(found, f"{path} {name}")
            return
        sections.append(f"### {path}\n\n```text\n{command.get_help(context).strip()}\n```")

    tell(root, "venom-tui")
    return "\n" + "\n\n".join(sections) + "\n\n"


def codes() -> str:
    """Return the table of what a command may end with."""
    from venom_tui.cli.failures import error_kinds

    lines = ["", "| code | exit status | what it is |", "|---|---|---|"]
    for kind in error_kinds():
        meaning = (inspect.getdoc(kind) or "").partition("\n")[0]
        lines.append(f"| `{kind.code}` | {kind.exit_code} | {meaning} |")
    return "\n".join(lines) + "\n\n"


def _classes(package: str) -> Iterator[type]:
    """Yield the classes that the modules of a package define, in the order of their names."""
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, package + "."):
        members = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        yield from (member for _, member in members if member.__module__ == module.name)


MAKERS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "keys": keys,
    "prompt": prompt,
    "commands": commands,
    "codes": codes,
}


def main() -> int:
    """Write the pages that changed."""
    for page in pages():
        text = made(page)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(f"{page.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
