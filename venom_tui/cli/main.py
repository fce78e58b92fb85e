"""The console script. What is asked most is answered before anything large is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `venom-tui` and return its exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--version"], ["-V"]):
        from venom_tui import __version__

        print(f"venom-tui {__version__}")
        return 0
    from venom_tui.cli.failures import guarded

    if not given:
        from venom_tui.cli.tui import open_tui

        return guarded(open_tui, as_json=False)
    from venom_tui.cli.commands import run

    return guarded(lambda: run(given), as_json=asks_for_json(given))


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Return whether failures are to be told as JSON, also those of arguments that cannot be parsed."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


if __name__ == "__main__":
    sys.exit(main())
