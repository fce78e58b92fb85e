"""ModelRegistry: what is known of all models, what could be had, and what changes files of models.

It does no I/O of its own: clients, the store and the modules beside this one do. Nothing outside this machine and its
configured runtimes is asked but by `search`, `trending`, `news`, `repository` and `ask_for_update`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import NotRemovable, ReadOnly, RuntimeFailure, StoreError, UsageError
from venom_tui.core.events import EventBus, ModelsChanged
from venom_tui.core.models import disk
from venom_tui.core.models.changing import Changing
from venom_tui.core.models.copying import Copier
from venom_tui.core.models.facts import same_weights
from venom_tui.core.models.files import parts_of
from venom_tui.core.models.finding import find
from venom_tui.core.models.local_manifest import manifest_of_file, manifest_of_repository
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.models.names import provider_of
from venom_tui.core.models.ollama_folder import read_folder
from venom_tui.core.models.ollama_side import OllamaSide
from venom_tui.core.models.outside import SEARCHED, Outside
from venom_tui.core.models.removal import Remover
from venom_tui.core.models.schema import specs
from venom_tui.core.models.updates import Updates
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.settings import Settings
from venom_tui.core.store.catalog import CatalogStore
from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.types.details import Manifest, ModelDetails, Update
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.offer import HubRepository, News, Offers
from venom_tui.core.types.runtime import RuntimeState
from venom_tui.core.types.storage import Orphan, Removal, Removed, Storage

_ANSWERS = frozenset({RuntimeState.READY, RuntimeState.BUSY, RuntimeState.LOADING})


class ModelRegistry:
    """Everything about models that is not choosing, loading or asking one; see `ModelManager` for that."""

    def __init__(
        self,
        settings: Settings,
        pool: HttpPool,
        store: SettingsStore,
        catalog: CatalogStore,
        runtimes: LlmServerController,
        operations: OperationRunner,
        events: EventBus,
        manager: ModelManager,
    ) -> None:
        self._settings = settings
        self._runtimes = runtimes
        self._operations = operations
        self._events = events
        self._manager = manager
        self._facts = manager.facts
        self._store = store
        self._catalog = catalog
        self._ollama = OllamaSide(runtimes, self._facts)
        self._outside = Outside(settings, pool, catalog)
        self._updates = Updates(settings, pool, self._outside)
        changing = self._changing = Changing(settings, self._ollama, operations)
        self._remover = Remover(settings, runtimes, operations, self._facts, self._ollama, changing, self._everything)
        self._copier = Copier(settings, store, operations, self._ollama, changing, self._everything)

    async def _everything(self) -> list[ModelInfo]:
        return await self._manager.list(refresh=True)

    # ------------------------------------------------------------------ what is here

    async def find(self, name: str, runtime: str | None = None, provider: str | None = None) -> ModelInfo:
        """Return the model of a name in any form that its provider takes: an address, `hf.co/…`, a file's name.

        Raises:
            UsageError: the name is not legal, or there is no such runtime or provider.
            AmbiguousModel, ModelNotFound, RuntimeUnavailable: see `ModelManager.find`.
        """
        return await find(self._manager, name, runtime, provider)

    def provider_of(self, name: str, provider: str | None = None) -> str:
        """Return who is to be asked for a name that is not here: the provider that is given, else by its form."""
        states = self._runtimes.states()
        answers = any(states[one] in _ANSWERS for one in self._ollama.ids())
        return provider or provider_of(name, ollama=answers)

    async def learn(self, limit_s: float | None = None) -> None:
        """Ask the runtimes about models of which too little is known: what they can do, which weights they have.

        After `limit_s` what was not learned stays unknown.
        """
        try:
            async with asyncio.timeout(limit_s):
                learned = await self._ollama.learn(await self._manager.list())
        except TimeoutError:
            learned = True
        if learned:
            self._events.emit(ModelsChanged())

    async def details(self, name: str, runtime: str | None = None) -> ModelDetails:
        """Return everything that is known of a model; its runtime is asked, nobody outside.

        Raises:
            UsageError, AmbiguousModel, ModelNotFound, RuntimeUnavailable: see `find`.
        """
        model = await self.find(name, runtime)
        everything = await self._manager.list()
        manifest, notes = await self._manifest(model, everything)
        model = self._facts.complete([model])[0]
        status = self._runtimes.find(model.runtime)
        saved = await self._store.parameters(model.runtime, model.name)
        return ModelDetails(
            model=model,
            manifest=manifest,
            parameters=specs(model, status.kind, saved, manifest) if status is not None else (),
            same_weights=same_weights(model, self._facts.complete(everything)),
            update=await self._kept_update(model),
            notes=tuple(notes),
        )

    async def _manifest(self, model: ModelInfo, everything: Sequence[ModelInfo]) -> tuple[Manifest, list[str]]:
        if self._ollama.client(model.runtime) is not None:
            return await self._manifest_of_ollama(model, everything)
        if model.path is not None and model.runtime == "embedded":
            return await asyncio.to_thread(manifest_of_file, model), []
        if model.path is not None and model.provider == "huggingface":
            return await asyncio.to_thread(manifest_of_repository, model), []
        return Manifest(capabilities=model.capabilities, context_length=model.context_length), [
            f"{model.runtime} does not tell what its models are made of."
        ]

    async def _manifest_of_ollama(
        self, model: ModelInfo, everything: Sequence[ModelInfo]
    ) -> tuple[Manifest, list[str]]:
        notes = []
        try:
            manifest = await self._ollama.show(model)
        except RuntimeFailure as failure:
            kept = self._facts.manifest(model)
            notes.append(f"{failure.message} {failure.server_message}".strip())
            if kept is None:
                return Manifest(), notes
            manifest = kept
        manifest = await self._ollama.manifest_with_layers(model, manifest, everything)
        if manifest.layers is None and not model.remote_host:
            notes.append("Its layers cannot be seen: the server's folder of models is not readable here.")
        return manifest, notes

    async def work_out_digest(self, name: str, runtime: str | None = None) -> str:
        """Read the whole file of a model and return its sha256; an operation, since it takes its time.

        Raises:
            UsageError: it is no single file of this machine.
            UsageError, AmbiguousModel, ModelNotFound: see `ModelManager.find`.
        """
        model = await self.find(name, runtime)
        if model.weights_digest is not None:
            return model.weights_digest
        path = model.path
        if path is None or model.runtime != "embedded" or len(parts_of(Path(path))) > 1:
            raise UsageError(f"{model.name} is no single file of this machine.")
        loop = asyncio.get_running_loop()

        async def work(progress: Progress) -> str:
            progress.update(message=f"reading {model.name}", bytes_total=model.size_bytes)

            def told(done: int) -> None:
                loop.call_soon_threadsafe(lambda: progress.update(bytes_done=done))

            try:
                return await self._facts.work_out_digest(path, told)
            except OSError as error:
                raise UsageError(f"{model.name} cannot be read: {error.strerror}.") from None

        digest = await self._operations.run("digest", model.name, work, runtime="", queue="digest")
        self._events.emit(ModelsChanged())
        return digest

    # ------------------------------------------------------------------ what could be had

    async def search(self, query: str, *, providers: Collection[str] = SEARCHED, limit: int = 40) -> list[Offers]:
        """Return what each provider finds for some words; one that cannot be asked says so in its own place.

        Raises:
            UsageError: the words are too few or too many, or there is no such provider.
        """
        asked = (self._outside.search(query, provider, limit) for provider in providers)
        return await self._marked(await asyncio.gather(*asked))

    async def trending(self, *, providers: Collection[str] = SEARCHED, limit: int = 40) -> list[Offers]:
        """Return what each provider's users take most now.

        Raises:
            UsageError: there is no such provider.
        """
        asked = (self._outside.trending(provider, limit) for provider in providers)
        return await self._marked(await asyncio.gather(*asked))

    async def kept_trending(self, *, providers: Collection[str] = SEARCHED) -> list[Offers]:
        """Return what was answered to `trending` last, without asking anybody."""
        return await self._marked([await self._outside.kept_trending(provider) for provider in providers])

    async def _marked(self, found: Sequence[Offers]) -> list[Offers]:
        """Say of each offer whether something of it is here."""
        here = {_bare(model.name) for model in await self._manager.list()}
        return [
            replace(one, offers=tuple(replace(offer, installed=_bare(offer.name) in here) for offer in one.offers))
            for one in found
        ]

    async def news(self, kind: str = "blog", *, month: str = "", limit: int = 30) -> News:
        """Return news: `blog` or `papers`, these of a month (`2026-11`) where one is given.

        Raises:
            UsageError: there is no such kind or month.
        """
        return await self._outside.news(kind, month=month, limit=limit)

    async def repository(self, name: str) -> HubRepository:
        """Return what a repository of Hugging Face holds, with all sizes; nothing of it is fetched.

        Raises:
            UsageError: the name means no repository.
            VenomError: it cannot be asked, and was not before.
        """
        return await self._outside.repository(name)

    async def ask_for_update(self, name: str, runtime: str | None = None) -> Update:
        """Ask the source of a model whether it has another version now.

        Raises:
            Offline: nothing outside may be asked.
            VenomError: the source cannot be asked.
        """
        model = self._facts.complete([await self.find(name, runtime)])[0]
        update = await self._updates.ask(model, of_ollama=self._ollama.client(model.runtime) is not None)
        try:
            await self._catalog.save_answer(_update_of(model), {"state": update.state, "detail": update.detail})
        except StoreError:
            pass  # it is told, and asked again next time
        return update

    async def _kept_update(self, model: ModelInfo) -> Update | None:
        kept = await self._catalog.answer(_update_of(model))
        return None if kept is None else Update(kept.value["state"], kept.value["detail"], kept.asked_at)

    # ------------------------------------------------------------------ what changes files

    async def plan_removal(self, names: Sequence[tuple[str, str | None]], provider: str | None = None) -> Removal:
        """Return what removing models means; `names` are names with their runtimes, None for any.

        Raises:
            ModelInUse: the model that answers is among them.
            NotRemovable: one of them is not venom-tui's to remove.
            UsageError, AmbiguousModel, ModelNotFound, RuntimeUnavailable: see `ModelManager.find`.
        """
        chosen = []
        for name, runtime in names:
            model = await self.find(name, runtime, provider)
            if model not in chosen:
                chosen.append(model)
        return await self._remover.plan(chosen, self._facts.complete(await self._manager.list()))

    async def remove(self, plan: Removal) -> list[Removed]:
        """Remove what was planned: each is unloaded, deleted, and looked for again. One that fails keeps none other.

        Raises:
            ReadOnly: venom-tui runs read-only.
        """
        if self._settings.flag("VENOM_READ_ONLY"):
            raise ReadOnly("venom-tui runs read-only: nothing is removed.", hint="Start it without --read-only.")
        results = await self._remover.remove(plan)
        self._events.emit(ModelsChanged())
        return results

    async def copy(self, name: str, new_name: str, runtime: str | None = None) -> ModelInfo:
        """Give a model another name, with the parameters that are saved for it; return the new one.

        Raises:
            UsageError: the new name is not legal, or taken.
            NotRemovable: its server cannot be told to.
            UsageError, AmbiguousModel, ModelNotFound, RuntimeUnavailable: see `ModelManager.find`.
        """
        copied = await self._copier.copy(await self.find(name, runtime), new_name)
        self._events.emit(ModelsChanged())
        return copied

    # ------------------------------------------------------------------ disks

    async def storage(self) -> list[Storage]:
        """Return what each folder of models holds, what is shared in it, and what nothing needs."""
        models = await self._manager.list()
        return [
            await asyncio.to_thread(disk.models_storage, self._settings.models_dir, _count(models, "local")),
            await self._storage_of_hub(_count(models, "huggingface")),
            *[await self._storage_of(runtime, models) for runtime in self._ollama.ids()],
        ]

    async def _storage_of_hub(self, models: int) -> Storage:
        kept = await self._changing.kept_in_hub()
        return await asyncio.to_thread(disk.hub_storage, self._settings.hub_cache, models, kept=kept)

    async def _storage_of(self, runtime: str, models: Sequence[ModelInfo]) -> Storage:
        folder = await self._ollama.folder(runtime, models)
        if folder is not None:
            kept = await self._changing.kept_of_ollama(runtime)
            return await asyncio.to_thread(disk.ollama_storage, runtime, f"Ollama {runtime}", folder, kept=kept)
        own = [model for model in models if model.runtime == runtime and not model.remote_host]
        why = "the server's folder of models is not readable here" if own else "it has no model that tells its folder"
        return replace(disk.unreadable(runtime, f"Ollama {runtime}", "", why), models=len(own))

    async def clean(self, storage_id: str, orphans: Sequence[Orphan]) -> tuple[int, list[str]]:
        """Delete what nothing needs in a folder; return the bytes that came back, and why others stay.

        What is no orphan any more, changed within the last hour, or belongs to a pull that can go on, stays.

        Raises:
            UsageError: there is no such folder.
            ModelInUse: a server is just pulling into it.
            ReadOnly: venom-tui runs read-only.
            NotRemovable: the folder cannot be read.
        """
        if self._settings.flag("VENOM_READ_ONLY"):
            raise ReadOnly("venom-tui runs read-only: nothing is cleaned.", hint="Start it without --read-only.")

        async def work(progress: Progress) -> tuple[int, list[str]]:
            total = sum(orphan.size_bytes for orphan in orphans)
            progress.update(message=f"cleaning {len(orphans)} files", bytes_total=total)
            await self._changing.refuse_cleaning(storage_id)  # for a pull that was begun while this waited
            result = await self._clean(storage_id, orphans)
            progress.update(message="cleaned", bytes_done=result[0])
            return result

        await self._changing.refuse_cleaning(storage_id)
        holds = await self._changing.holds_of_cleaning(storage_id, orphans)
        return await self._operations.run("clean", storage_id, work, queue=storage_id, holds=holds)

    async def _clean(self, storage_id: str, orphans: Sequence[Orphan]) -> tuple[int, list[str]]:
        if storage_id == "models":
            folder = self._settings.models_dir
            return await asyncio.to_thread(disk.clean, folder, orphans, lambda: disk.models_storage(folder, 0))
        if storage_id == "hub":
            cache, in_hub = self._settings.hub_cache, await self._changing.kept_in_hub()
            return await asyncio.to_thread(disk.clean, cache, orphans, lambda: disk.hub_storage(cache, 0, kept=in_hub))
        if storage_id not in self._ollama.ids():
            raise UsageError(f"There is no folder of models {storage_id!r}.")
        found = await self._ollama.folder(storage_id, await self._manager.list())
        if found is None:
            raise NotRemovable("The server's folder of models is not readable here.")
        root, kept = found.root, await self._changing.kept_of_ollama(storage_id)
        return await asyncio.to_thread(
            disk.clean, root, orphans, lambda: disk.ollama_storage(storage_id, "", read_folder(root), kept=kept)
        )


def _count(models: Sequence[ModelInfo], provider: str) -> int:
    return sum(model.provider == provider and model.runtime in ("", "embedded") for model in models)


def _bare(name: str) -> str:
    """Return a name without its tag, to tell whether some of an offer is here."""
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}".lower().removeprefix("hf.co/")


def _update_of(model: ModelInfo) -> str:
    return f"update of {model.runtime} {model.name} {model.digest or ''}"
