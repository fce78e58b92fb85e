"""The models that lie on this machine's disks, looked at once for all who ask at the same time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from venom_tui.core.events import EventBus, ModelsChanged
from venom_tui.core.models.facts import Facts
from venom_tui.core.models.files import ModelFiles
from venom_tui.core.models.headers import Headers
from venom_tui.core.models.hub_cache import HubCache
from venom_tui.core.settings import Settings
from venom_tui.core.types.model import ModelInfo


class FilesHere:
    """GGUF files and the Hugging Face cache as they were seen last."""

    def __init__(self, settings: Settings, facts: Facts, events: EventBus) -> None:
        headers = Headers()
        self._files = ModelFiles(settings.models_dir, headers)
        self._cache = HubCache(settings.hub_cache, headers)
        self._facts = facts
        self._events = events
        self._seen: list[ModelInfo] | None = None
        self._scan: asyncio.Task[list[ModelInfo]] | None = None

    @property
    def folder(self) -> Path:
        """Where GGUF files belong."""
        return self._files.folder

    async def models(self, *, refresh: bool = False) -> list[ModelInfo]:
        """Return the models; `refresh` looks again, and tells where something has changed."""
        if self._seen is None or refresh:
            if self._scan is None or self._scan.done():
                self._scan = asyncio.create_task(asyncio.to_thread(self._look), name="scan of model files")
            found = await asyncio.shield(self._scan)
            await self._facts.look_at_files(model.path for model in found if model.path is not None)
            changed = self._seen is not None and found != self._seen
            self._seen = found
            if changed:
                self._events.emit(ModelsChanged())
        return self._seen

    def _look(self) -> list[ModelInfo]:
        return self._files.scan() + self._cache.scan()
