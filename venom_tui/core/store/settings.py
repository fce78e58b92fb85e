"""What the program itself changes: settings, and generation parameters per runtime and model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, fields
from types import MappingProxyType

import aiosqlite

from venom_tui.core.store.database import Database
from venom_tui.core.types.request import GenerationParameters

_Tried = Mapping[tuple[str, str], GenerationParameters]
_TRIED: ContextVar[_Tried] = ContextVar("tried parameters", default=MappingProxyType({}))
"""Runtime and model -> parameters that are tried; a task has those of whoever began it."""


class SettingsStore:
    """Reads and writes the tables of settings and parameters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> dict[str, str]:
        """Return all stored settings as text."""
        return {row["name"]: row["value"] for row in await self._database.read("SELECT name, value FROM settings")}

    async def save_all(self, values: Mapping[str, str | None]) -> None:
        """Write settings in one transaction; None removes one."""

        async def write(db: aiosqlite.Connection) -> None:
            for name, value in values.items():
                if value is None:
                    await db.execute("DELETE FROM settings WHERE name = ?", (name,))
                else:
                    await db.execute("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))

        await self._database.write(write)

    async def parameters(self, runtime: str, model: str) -> GenerationParameters:
        """Return the parameters saved for a model of a runtime, or tried for it here; all None when there are none."""
        if (tried := _TRIED.get().get((runtime, model))) is not None:
            return tried
        found = await self._database.read(
            "SELECT parameters FROM parameters WHERE runtime = ? AND model = ?", (runtime, model)
        )
        if not found:
            return GenerationParameters()
        saved = json.loads(found[0]["parameters"])
        known = {field.name for field in fields(GenerationParameters)}
        chosen = {name: value for name, value in saved.items() if name in known}
        if chosen.get("stop") is not None:
            chosen["stop"] = tuple(chosen["stop"])
        return GenerationParameters(**chosen)

    @contextmanager
    def trying(self, runtime: str, model: str, parameters: GenerationParameters) -> Iterator[None]:
        """Have what is done within the block, and nobody else, find these parameters saved for a model.

        Nothing is written: where what is tried fails, or this process ends, all is as it was.
        """
        before = _TRIED.set(MappingProxyType({**_TRIED.get(), (runtime, model): parameters}))
        try:
            yield
        finally:
            _TRIED.reset(before)

    async def save_parameters(self, runtime: str, model: str, parameters: GenerationParameters) -> None:
        """Write the parameters of a model of a runtime; None values are left out."""
        kept = {name: value for name, value in asdict(parameters).items() if value is not None}

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute("DELETE FROM parameters WHERE runtime = ? AND model = ?", (runtime, model))
            if kept:
                await db.execute(
                    "INSERT INTO parameters (runtime, model, parameters) VALUES (?, ?, ?)",
                    (runtime, model, json.dumps(kept)),
                )

        await self._database.write(write)
