"""The private parts of Textual that venom-tui uses are as they were when it was written: names, signatures, bodies.

When one of these tests fails after an upgrade: read what changed in Textual, adapt `venom_tui/ui/terminal` (nothing
else touches private parts), see that the rest of tests/terminal passes, and only then renew the lists here.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import textwrap
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

PINNED = "8.2.8"
"""The version of Textual that all of this was written against."""
NOTE = f"written against textual {PINNED}, installed is {version('textual')}: see the head of this file"

UI = Path(__file__).resolve().parents[2] / "venom_tui" / "ui"

USED = {
    "_ansi": "rich.style:Style",
    "_auto_restart": "textual.driver:Driver",
    "_background_screens": "textual.app:App",
    "_batch_count": "textual.app:App",
    "_bindings": "textual.dom:DOMNode",
    "_cache": "textual._styles_cache:StylesCache",
    "_cache_key": "textual.css.styles:RenderStyles",
    "_color_system": "rich.console:Console",
    "_dirty_lines": "textual._styles_cache:StylesCache",
    "_dirty_regions": "textual._compositor:Compositor",
    "_driver": "textual.app:App",
    "_enable_mouse_pixels": "textual.drivers.linux_driver:LinuxDriver",
    "_exit": "textual.app:App",
    "_in_band_window_resize": "textual.drivers.linux_driver:LinuxDriver",
    "_keymap": "textual.app:App",
    "_layout_required": "textual.screen:Screen",
    "_link": "rich.style:Style",
    "_link_id": "rich.style:Style",
    "_patch_iflag": "textual.drivers.linux_driver:LinuxDriver",
    "_patch_lflag": "textual.drivers.linux_driver:LinuxDriver",
    "_notifications": "textual.app:App",
    "_screen_stack": "textual.app:App",
    "_screen_stacks": "textual.app:App",
    "_segments": "textual.strip:Strip",
    "_sync_available": "textual.app:App",
    "_unnotify": "textual.app:App",
}
"""Private attributes that we use and do not define -> who has them."""

REPLACED = {
    "_compositor": "textual.screen:Screen",
    "_dispatch_message": "textual.message_pump:MessagePump",
    "_display": "textual.app:App",
    "_forward_event": "textual.widget:Widget",
    "_get_renders": "textual._compositor:Compositor",
    "_get_terminal_size": "textual.drivers.linux_driver:LinuxDriver",
    "_mouse": "textual.driver:Driver",
    "_must_signal_resume": "textual.drivers.linux_driver:LinuxDriver",
    "_on_key": "textual.widgets:TextArea",
    "_on_paste": "textual.widgets:TextArea",
    "_on_resize": "textual.app:App",
    "_previous_cursor_position": "textual.app:App",
    "_print_error_renderables": "textual.app:App",
    "_ready": "textual.app:App",
    "_shutdown": "textual.app:App",
    "_sigcont_application": "textual.drivers.linux_driver:LinuxDriver",
    "_sigtstp_application": "textual.drivers.linux_driver:LinuxDriver",
    "_size": "textual.driver:Driver",
    "_width": "textual._styles_cache:StylesCache",
}
"""Private attributes that we define or set and Textual has, too: on purpose, each of them."""

SIGNATURES = {
    "textual.app:App._display": "(self, screen: 'Screen', renderable: 'RenderableType | None') -> 'None'",
    "textual.app:App._on_resize": "(self, event: 'events.Resize') -> 'None'",
    "textual.app:App._print_error_renderables": "(self) -> 'None'",
    "textual.app:App._ready": "(self) -> 'None'",
    "textual.app:App._shutdown": "(self) -> 'None'",
    "textual.app:App.get_driver_class": "(self) -> 'Type[Driver]'",
    "textual.app:App.post_display_hook": "(self) -> 'None'",
    "textual._compositor:ChopsUpdate.__init__": "(self, chops: 'Sequence[Mapping[int, Strip | None]]', "
    "spans: 'list[tuple[int, int, int]]', chop_ends: 'list[list[int]]') -> 'None'",
    "textual._compositor:Compositor._get_renders": "(self, crop: 'Region | None' = None) -> "
    "'Iterable[tuple[Region, Region, list[Strip]]]'",
    "textual._compositor:Compositor.render_update": "(self, full: 'bool' = False, screen_stack: 'list[Screen] | None' "
    "= None, simplify: 'bool' = False) -> 'RenderableType | None'",
    "textual._compositor:LayoutUpdate.__init__": "(self, strips: 'list[Iterable[Strip]]', region: 'Region') -> 'None'",
    "textual._xterm_parser:XTermParser.feed": "(self, data: 'str') -> 'Iterable[Message]'",
    "textual._parser:Parser.tick": "(self) -> 'Iterable[T]'",
    "textual.driver:Driver.process_message": "(self, message: 'messages.Message') -> 'None'",
    "textual.drivers.linux_driver:LinuxDriver.__init__": "(self, app: 'App', *, debug: 'bool' = False, "
    "mouse: 'bool' = True, size: 'tuple[int, int] | None' = None) -> 'None'",
    "textual.strip:Strip.render_ansi": "(style: 'Style', color_system: 'ColorSystem') -> 'str'",
    "textual.widget:Widget._forward_event": "(self, event: 'events.Event') -> 'None'",
}

BODIES = {
    "textual.app:App._display": "4b78dff6669a455c",
    "textual.app:App._on_resize": "62d14429be32aa53",
    "textual.app:App._check_resize": "66ccc6e5bae72365",
    "textual.app:App._print_error_renderables": "6e6be40346778a2d",
    "textual.app:App._ready": "2d226a91db5af8b1",
    "textual.app:App._shutdown": "c264035bcb6202ee",
    "textual._compositor:ChopsUpdate.render_segments": "4c1cdb567e0b8354",
    "textual._compositor:Compositor._get_renders": "8ac93299aa5d3bef",
    "textual._compositor:Compositor._render_chops": "ca8c3359d7afd017",
    "textual._compositor:Compositor.render_update": "772c6b21953aff0e",
    "textual._compositor:LayoutUpdate.render_segments": "ff329c722506c983",
    "textual._parser:Parser.feed": "390106cde019dd29",
    "textual._parser:Parser.tick": "44606084ad3bf7c1",
    "textual._xterm_parser:XTermParser.parse": "a5834ad1def86544",
    "textual.driver:Driver.process_message": "af9cb0baaf150940",
    "textual.drivers.linux_driver:LinuxDriver": "ec65992e0f98f051",
    "textual.screen:Screen._on_resize": "ba5f7fb1b5a3327d",
    "textual.screen:Screen._screen_resized": "9ac8cd9df5630782",
    "textual.screen:Screen.dismiss": "0c6d250ef5e6707e",
    "textual.strip:Strip.render_ansi": "08043dedb90d50a7",
    "textual.strip:Strip.crop": "206f79ddf457cf91",
}
"""What we replace or take apart -> the beginning of its source's SHA-256."""

CONSTANTS = {
    "textual._ansi_sequences:SYNC_START": "\x1b[?2026h",
    "textual._ansi_sequences:SYNC_END": "\x1b[?2026l",
    "textual.drivers.linux_driver:KITTY_DISAMBIGUATE_ESCAPE_CODES": 1,
    "textual.drivers.linux_driver:KITTY_REPORT_ALL_KEYS": 8,
    "textual.drivers.linux_driver:KITTY_REPORT_ASSOCIATED_TEXT": 16,
}


def find(place: str) -> object:
    """Return what `module:qualified.name` names."""
    module, _, path = place.partition(":")
    found: object = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def tree_of(thing: object) -> ast.Module:
    assert isinstance(thing, type | ModuleType)
    return ast.parse(textwrap.dedent(inspect.getsource(thing)))


@cache
def names_of(owner: type) -> frozenset[str]:
    """The attributes that a class and its bases have or set on themselves."""
    names: set[str] = set()
    for base in owner.__mro__:
        names |= set(base.__dict__)
        if base.__module__.split(".")[0] in ("textual", "rich"):
            for node in ast.walk(tree_of(base)):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    names.add(node.attr)
    return frozenset(names)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@cache
def sources() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text())) for path in sorted(UI.rglob("*.py"))]


@cache
def ours() -> frozenset[str]:
    """The names that venom-tui's user interface defines anywhere."""
    names: set[str] = set()
    for _, tree in sources():
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    names.add(node.name)
                case ast.Attribute(ctx=ast.Store()):
                    names.add(node.attr)
                case ast.Name(ctx=ast.Store()):
                    names.add(node.id)
    return frozenset(names)


def test_the_installed_version_is_the_one_that_was_read() -> None:
    assert version("textual") == PINNED, NOTE


def test_every_private_attribute_that_we_use_is_listed_and_there() -> None:
    used = {
        node.attr: path.relative_to(UI)
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in ours()
    }
    assert {name: used.get(name) for name in used.keys() ^ USED.keys()} == {}, "used and not listed, or the reverse"
    elsewhere = {name: str(path) for name, path in used.items() if path.parts[0] != "terminal"}
    assert elsewhere == {}, "private parts of Textual are used in ui/terminal only"
    missing = [name for name, owner in USED.items() if name not in names_of(find(owner))]
    assert missing == [], NOTE


def test_nothing_of_textual_is_replaced_by_accident() -> None:
    replaced: set[str] = set()
    for path, tree in sources():
        module = ".".join(("venom_tui.ui", *path.relative_to(UI).with_suffix("").parts)).removesuffix(".__init__")
        for node in tree.body:
            if not isinstance(node, ast.ClassDef):
                continue
            made = getattr(importlib.import_module(module), node.name)
            bases = [base for base in made.__mro__ if base.__module__.split(".")[0] == "textual"]
            theirs = frozenset().union(*(names_of(base) for base in bases))
            set_here = {
                inner.attr
                for inner in ast.walk(node)
                if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store)
            }
            defined = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)}
            replaced |= {name for name in (set_here | defined) & theirs if is_private(name)}
    assert replaced == set(REPLACED)
    missing = [name for name, owner in REPLACED.items() if name not in names_of(find(owner))]
    assert missing == [], NOTE


@pytest.mark.parametrize("place", SIGNATURES)
def test_signatures(place: str) -> None:
    found = find(place)
    assert callable(found)
    assert str(inspect.signature(found)) == SIGNATURES[place], NOTE


@pytest.mark.parametrize("place", BODIES)
def test_bodies(place: str) -> None:
    source = inspect.getsource(find(place))  # type: ignore[arg-type]
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == BODIES[place], NOTE


@pytest.mark.parametrize("place", CONSTANTS)
def test_constants(place: str) -> None:
    assert find(place) == CONSTANTS[place], NOTE
