"""Removes models: says first what that frees, unloads, deletes, and sees that they are gone."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

from venom_tui.core.errors import ModelInUse, NotRemovable, ReadOnly, VenomError
from venom_tui.core.models.changing import Changing
from venom_tui.core.models.facts import Facts, same_weights
from venom_tui.core.models.files import parts_of
from venom_tui.core.models.hub_removal import delete, plan_deletion
from venom_tui.core.models.inside import Inside, allocated, freed_by
from venom_tui.core.models.ollama_folder import WORTH_NAMING, FolderModel, OllamaFolder
from venom_tui.core.models.ollama_side import OllamaSide
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.storage import Removal, RemovalItem, Removed

Models = Callable[[], Awaitable[list[ModelInfo]]]
HUB_QUEUE = "huggingface"
"""The queue of what changes the Hugging Face cache."""


class Remover:
    """Plans removals and carries them out.

    Args:
        models: looks at everything again and returns all models.
    """

    def __init__(
        self,
        settings: Settings,
        runtimes: LlmServerController,
        operations: OperationRunner,
        facts: Facts,
        ollama: OllamaSide,
        changing: Changing,
        models: Models,
    ) -> None:
        self._settings = settings
        self._runtimes = runtimes
        self._operations = operations
        self._facts = facts
        self._ollama = ollama
        self._changing = changing
        self._models = models

    # ------------------------------------------------------------------ what it means

    async def plan(self, chosen: Sequence[ModelInfo], everything: Sequence[ModelInfo]) -> Removal:
        """Return what removing models frees.

        Raises:
            ModelInUse: the one that answers is among them, or one of which something is being fetched or is to be.
            NotRemovable: one of them is not ours to remove.
            RuntimeFailure: a server cannot be asked.
        """
        self._check(chosen, everything)
        for model in chosen:
            await self._changing.refuse(model.name, self._changing.holds(model), "removed")
        removals = []
        for runtime in dict.fromkeys(model.runtime for model in chosen if _of_server(model)):
            own = [model for model in chosen if model.runtime == runtime and _of_server(model)]
            removals.append(await self._plan_ollama(runtime, own, everything))
        if local := [model for model in chosen if model.provider == "local"]:
            removals.append(await asyncio.to_thread(self._plan_files, local))
        if cached := [model for model in chosen if model.provider == "huggingface" and not _of_server(model)]:
            removals.append(await asyncio.to_thread(self._plan_hub, cached))
        removal = _together(removals)
        order = {(model.runtime, model.name): place for place, model in enumerate(chosen)}
        return replace(removal, items=tuple(sorted(removal.items, key=lambda item: order[item.runtime, item.name])))

    def _check(self, chosen: Sequence[ModelInfo], everything: Sequence[ModelInfo]) -> None:
        if self._settings.flag("VENOM_READ_ONLY"):
            raise ReadOnly("venom-tui runs read-only: nothing is removed.", hint="Start it without --read-only.")
        others = [model for model in everything if not model.active and model.runtime and not model.error]
        for model in chosen:
            if model.active and others:
                raise ModelInUse(
                    f"{model.name} answers the next prompt, so it is not removed.",
                    hint="Let another model answer first: `venom-tui models activate NAME`, or enter in the catalog.",
                )
            if model.demonstration:
                raise NotRemovable(
                    f"{model.name} comes with venom-tui and goes with it.", hint="Removing venom-tui removes it."
                )
            if _of_server(model) and self._ollama.client(model.runtime) is None:
                raise NotRemovable(
                    f"{model.name} belongs to the server {model.runtime}, which cannot be told to remove it.",
                    hint="Remove it where that server keeps its files.",
                )

    async def _plan_ollama(self, runtime: str, chosen: Sequence[ModelInfo], everything: Sequence[ModelInfo]) -> Removal:
        folder = await self._ollama.folder(runtime, everything)
        if folder is not None and all(folder.get(model.name) is not None for model in chosen):
            return _plan_folder(folder, chosen)
        # Without the folder the weights' digests tell what is shared.
        own = [model for model in everything if model.runtime == runtime]
        await self._ollama.learn(own)
        own = self._facts.complete(own)
        names = {model.name for model in chosen}
        items = []
        for model in (one for one in own if one.name in names):
            shared = tuple(name for _, name in same_weights(model, own))
            size = 0 if model.remote_host else model.size_bytes
            known = model.weights_digest is not None or model.remote_host is not None
            notes = () if known else ("what it shares with others is not known",)
            frees = size if known and not shared else None
            items.append(_item(model, size, frees, tuple(name for name in shared if name not in names), notes=notes))
        # Several names of the same weights give them back once, and only when none of them stays.
        total: int | None = 0
        counted: set[str | None] = set()
        for item, model in zip(items, (one for one in own if one.name in names), strict=True):
            if item.shared_with or item.size_bytes is None or item.notes:
                total = None
            elif total is not None and (model.weights_digest is None or model.weights_digest not in counted):
                total += item.size_bytes
                counted.add(model.weights_digest)
        most = sum(item.size_bytes or 0 for item in items)
        return Removal(tuple(items), total, None if total is not None else most)

    def _plan_files(self, models: Sequence[ModelInfo]) -> Removal:
        inside = Inside(self._settings.models_dir)
        found = {model.name: [(part, inside.stat(part)) for part in _present(model)] for model in models if model.path}
        names = Counter((stat.st_dev, stat.st_ino) for parts in found.values() for _, stat in parts)
        total, items, seen = 0, [], set()
        for model in models:
            parts = found.get(model.name, [])
            for _, stat in parts:
                inode = (stat.st_dev, stat.st_ino)
                if inode not in seen and stat.st_nlink <= names[inode]:
                    total += allocated(stat)
                seen.add(inode)
            notes = [f"{part.name} is a link: what it points to stays" for part, _ in parts if part.is_symlink()]
            if any(stat.st_nlink > names[stat.st_dev, stat.st_ino] for _, stat in parts):
                notes.append("its bytes have another name, and stay")
            items.append(
                _item(
                    model,
                    sum(allocated(stat) for _, stat in parts),
                    sum(freed_by(stat) for _, stat in parts),
                    paths=tuple(str(part) for part, _ in parts),
                    notes=tuple(notes),
                )
            )
        return Removal(tuple(items), total)

    def _plan_hub(self, models: Sequence[ModelInfo]) -> Removal:
        cache = self._settings.hub_cache
        items = []
        for model in models:
            (alone,) = plan_deletion(cache, [model])
            items.append(
                _item(
                    model,
                    model.size_bytes,
                    alone.frees_bytes,
                    paths=tuple(str(path) for path in alone.paths),
                    notes=alone.notes,
                )
            )
        return Removal(tuple(items), sum(one.frees_bytes for one in plan_deletion(cache, list(models))))

    # ------------------------------------------------------------------ how it is done

    async def remove(self, plan: Removal) -> list[Removed]:
        """Remove what was planned, one after the other; one that fails does not keep the others.

        Raises:
            ReadOnly: venom-tui runs read-only.
        """
        results = []
        for item in plan.items:
            try:
                await self._remove(item)
            except VenomError as failure:
                results.append(
                    Removed(
                        item.name, item.runtime, item.frees_bytes, failure.message, failure.hint, failure.server_message
                    )
                )
            else:
                results.append(Removed(item.name, item.runtime, item.frees_bytes))
        return results

    async def _remove(self, item: RemovalItem) -> None:
        everything = await self._models()
        model = next((one for one in everything if (one.runtime, one.name) == (item.runtime, item.name)), None)
        if model is None:
            raise NotRemovable(f"{item.name} is gone already.")
        self._check([model], everything)
        holds = self._changing.holds(model)
        await self._changing.refuse(model.name, holds, "removed")

        async def work(progress: Progress) -> None:
            await self._changing.refuse(model.name, holds, "removed")  # one that was begun while this waited
            if model.runtime:
                # Ollama's own removal leaves a model in memory.
                progress.update(message=f"unloading {model.name}")
                await self._runtimes.unload(model)
            progress.update(message=f"removing {model.name}", bytes_total=item.frees_bytes)
            await self._delete(model)
            left = await self._models()
            if any((one.runtime, one.name) == (model.runtime, model.name) for one in left):
                raise NotRemovable(f"{model.name} was removed, and is still there.", hint="Remove it by hand.")
            await self._facts.forget(model)
            progress.update(message="removed", bytes_done=item.frees_bytes)

        # The runtime's queue, too: what unloads it within this must wait for nobody who waits for this.
        of_hub = model.provider == "huggingface" and not _of_server(model)
        queue = tuple(filter(None, (HUB_QUEUE if of_hub else "", model.runtime)))
        kind = {"runtime": model.runtime, "provider": model.provider}
        await self._operations.run("remove", model.name, work, queue=queue, holds=holds, **kind)

    async def _delete(self, model: ModelInfo) -> None:
        if _of_server(model):
            await self._ollama.delete(model.runtime, model.name)
        elif model.provider == "huggingface":
            await asyncio.to_thread(self._delete_cached, model)
        else:
            await asyncio.to_thread(self._delete_files, model)

    def _delete_cached(self, model: ModelInfo) -> None:
        for deletion in plan_deletion(self._settings.hub_cache, [model]):
            delete(self._settings.hub_cache, deletion)

    def _delete_files(self, model: ModelInfo) -> None:
        folder = self._settings.models_dir
        inside = Inside(folder)
        parts = _present(model)
        for part in parts:
            inside.stat(part)
        for part in parts:
            inside.remove(part)
        parent = parts[0].parent if parts else folder
        while parent != folder and folder in parent.parents and inside.remove_if_empty(parent):
            parent = parent.parent


def _of_server(model: ModelInfo) -> bool:
    """Return whether a model is a server's and no file of ours."""
    return model.runtime not in ("", "embedded")


def _present(model: ModelInfo) -> list[Path]:
    """Return the files of a model that are there."""
    return [part for part in parts_of(Path(model.path or "")) if os.path.lexists(part)]


def _plan_folder(folder: OllamaFolder, chosen: Sequence[ModelInfo]) -> Removal:
    found: dict[str, FolderModel] = {model.name: one for model in chosen if (one := folder.get(model.name)) is not None}
    leaving = {one.name.key for one in found.values()}
    items = []
    for model in chosen:
        layers = folder.layers_of(found[model.name])
        shared = dict.fromkeys(
            name for layer in layers if (layer.size_bytes or 0) >= WORTH_NAMING for name in layer.shared_with
        )
        stay = tuple(name for name in shared if (one := folder.get(name)) is not None and one.name.key not in leaving)
        size = sum(folder.taken(layer.digest or "") for layer in layers)
        items.append(_item(model, size, folder.freed_by([found[model.name]]), stay))
    return Removal(tuple(items), folder.freed_by(found.values()))


def _item(
    model: ModelInfo,
    size: int | None,
    frees: int | None,
    shared: tuple[str, ...] = (),
    *,
    paths: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> RemovalItem:
    return RemovalItem(
        name=model.name,
        runtime=model.runtime,
        provider=model.provider,
        size_bytes=size,
        frees_bytes=frees,
        shared_with=shared,
        paths=tuple(sanitize_line(path, 1000) for path in paths),
        loaded=bool(model.loaded),
        notes=notes,
    )


def _together(removals: Sequence[Removal]) -> Removal:
    """Return several removals as one."""
    if len(removals) == 1:
        return removals[0]
    items = tuple(item for one in removals for item in one.items)
    known = sum(one.frees_bytes or 0 for one in removals)
    if all(one.frees_bytes is not None for one in removals):
        return Removal(items, known)
    most = sum(one.frees_bytes if one.frees_bytes is not None else one.at_most_bytes or 0 for one in removals)
    return replace(Removal(items, None), at_most_bytes=most)
