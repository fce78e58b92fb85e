"""The large or unusual components that `make test-real` needs, fetched once and kept outside the checkout.

    python -m scripts.real_components fetch [NAME…]     fetch what is missing (all of them without a name)
    python -m scripts.real_components path NAME         print where a component is

They lie in `${XDG_CACHE_HOME:-~/.cache}/venom-tui/components`. Each has a module in `scripts/components` with a
function that fills an empty folder; a folder is put in its place only when it is complete, and several test runs may
ask at the same time. OLLAMA_BIN, LLAMA_SERVER_BIN and VLLM_PYTHON name ones that are there already.
"""

from __future__ import annotations

import sys

from scripts.components.component import Component, ComponentError
from scripts.components.gemma import GEMMA
from scripts.components.llama_server import LLAMA_SERVER
from scripts.components.ollama import OLLAMA
from scripts.components.vllm import VLLM, VLLM_MODELS

__all__ = ["COMPONENTS", "GEMMA", "LLAMA_SERVER", "OLLAMA", "VLLM", "VLLM_MODELS", "ComponentError", "main"]

COMPONENTS: dict[str, Component] = {
    component.name: component for component in (GEMMA, LLAMA_SERVER, OLLAMA, VLLM, VLLM_MODELS)
}


def main(arguments: list[str]) -> int:
    """Fetch components, or tell where one is; return the exit status."""
    verb, names = (arguments or [""])[0], arguments[1:]
    unknown = [name for name in names if name not in COMPONENTS]
    if verb not in ("fetch", "path") or unknown or (verb == "path" and len(names) != 1):
        print(__doc__, file=sys.stderr)
        print(f"Components: {', '.join(COMPONENTS)}", file=sys.stderr)
        return 2
    if verb == "path":
        print(COMPONENTS[names[0]].path)
        return 0 if COMPONENTS[names[0]].present else 1
    return max([_fetch(COMPONENTS[name], asked=bool(names)) for name in names or COMPONENTS])


def _fetch(component: Component, asked: bool) -> int:
    """Fetch one; return 1 when it failed, or when it was asked for by name and cannot be had here."""
    if not component.present and not component.given and component.lacking:
        print(f"{component.name}: needs {component.lacking}; its tests are skipped.", file=sys.stderr)
        return int(asked)
    try:
        component.fetch()
    except ComponentError as error:
        print(f"{component.name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
