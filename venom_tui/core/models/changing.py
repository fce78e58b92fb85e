"""What stands in the way of changing files of models: pulls that are under way, and other changes of the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from venom_tui.core.errors import ModelInUse, UsageError
from venom_tui.core.models import held
from venom_tui.core.models.disk import Kept
from venom_tui.core.models.hub_cache import PREFIX
from venom_tui.core.models.ollama_side import OllamaSide
from venom_tui.core.models.pulls.unfinished import UnfinishedPull, UnfinishedPulls
from venom_tui.core.operations.runner import OperationRunner
from venom_tui.core.settings import Settings
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.storage import Orphan

_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")


class Changing:
    """Tells what a change of models holds, and refuses it beside a pull of the same."""

    def __init__(self, settings: Settings, ollama: OllamaSide, operations: OperationRunner) -> None:
        self._settings = settings
        self._ollama = ollama
        self._pulls = UnfinishedPulls(operations)
        self._machine = held.machine_of(operations.owner)

    def server(self, runtime: str) -> str | None:
        """Return the Ollama behind a runtime, None where it is none."""
        client = self._ollama.client(runtime)
        return None if client is None else held.server_of(client.base_url, self._machine)

    def holds(self, model: ModelInfo) -> tuple[str, ...]:
        """Return what a change of a model holds."""
        server = self.server(model.runtime)
        if server is not None:
            return held.models_of(server), *_of_ollama(server, model.name)
        if model.provider == "huggingface":
            return (held.of_repository(self._settings.hub_cache, model.name.partition(":")[0]),)
        return (held.of_folder(self._settings.models_dir),)

    def holds_of_copy(self, model: ModelInfo, name: str) -> tuple[str, ...]:
        """Return what giving a model another name holds."""
        server = self.server(model.runtime)
        if server is not None:
            return *self.holds(model), *_of_ollama(server, name)
        return tuple(dict.fromkeys((*self.holds(model), held.of_folder(self._settings.models_dir))))

    async def refuse(self, name: str, holds: Iterable[str], what: str) -> None:
        """Refuse a change beside a pull; see `UnfinishedPulls.refuse`."""
        await self._pulls.refuse(name, frozenset(holds), what)

    # ------------------------------------------------------------------ what nothing needs

    async def kept_in_hub(self) -> Kept:
        """Return what tells why something in the Hugging Face cache stays that no model needs."""
        cache, why = str(self._settings.hub_cache), {}
        for pull in await self._pulls.all():
            if pull.terms.arguments.get("cache") == cache:
                why[f"{PREFIX}{pull.terms.arguments['repository'].replace('/', '--')}"] = pull.why_kept

        def kept(path: Path) -> str:
            folder = next((part for part in path.parts if part in why), None)
            return "" if folder is None else why[folder]

        return kept

    async def kept_of_ollama(self, runtime: str) -> Kept:
        """Return what tells why something in an Ollama's folder stays that no model needs."""
        pulls = [one for one in await self._pulls.all() if self._goes_into(one, runtime)]
        why: dict[str, str] = {}
        unknown = ""
        for pull in pulls:
            digests = pull.terms.arguments.get("digests")
            if digests is None and (pull.open or pull.operation.bytes_done):
                unknown = pull.why_kept  # which layers are its own is not known
            for digest, _ in digests or ():
                why[digest.removeprefix("sha256:")] = pull.why_kept

        def kept(path: Path) -> str:
            found = _DIGEST.match(path.name)
            return why.get(found[1], unknown) if found else unknown

        return kept

    def _goes_into(self, pull: UnfinishedPull, runtime: str) -> bool:
        server = self.server(runtime)
        arguments = pull.terms.arguments
        return arguments.get("provider") == "ollama" and pull.terms.queue == f"downloads of {server}"

    async def refuse_cleaning(self, storage_id: str) -> None:
        """Refuse to clean the folder of an Ollama that is just pulling: a layer may be about to be named.

        Raises:
            ModelInUse: it is.
        """
        for pull in await self._pulls.all():
            if pull.fetches and self._goes_into(pull, storage_id):
                raise ModelInUse(f"Nothing is cleaned beside a pull of the same server: {pull.words}.", hint=pull.hint)

    async def holds_of_cleaning(self, storage_id: str, orphans: Iterable[Orphan]) -> tuple[str, ...]:
        """Return what cleaning a folder holds; what stays for a pull is left out, so that it need not be waited for."""
        if storage_id == "models":
            return (held.of_folder(self._settings.models_dir),)
        if storage_id == "hub":
            kept = await self.kept_in_hub()
            paths = [path for one in orphans if not kept(path := Path(one.path))]
            folders = {part for path in paths for part in path.parts if part.startswith(PREFIX)}
            names = sorted(folder.removeprefix(PREFIX).replace("--", "/") for folder in folders)
            return tuple(held.of_repository(self._settings.hub_cache, name) for name in names)
        server = self.server(storage_id)
        return () if server is None else (held.models_of(server), held.pulls_into(server))


def _of_ollama(server: str, name: str) -> tuple[str, ...]:
    try:
        return (held.of_ollama(server, name),)
    except UsageError:
        return ()  # a name that no pull has
