"""Versions of models, when each was active, and what was measured then."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

import aiosqlite

from venom_tui.core.store.database import Database
from venom_tui.core.store.rows import parse_time, time_text
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.version import ModelVersion

_COLUMNS = "name, model, runtime, created_at, parameters, template, adapter, note, made"


@dataclass(frozen=True, slots=True)
class Activation:
    """A version became active, or none (`version` ""), for a model of a runtime."""

    runtime: str
    model: str
    version: str
    at: datetime
    parameters: GenerationParameters
    """Those that were saved before for the model that answers for it."""
    undone: bool = False
    """Whether it was taken back, or is itself a way back: nobody goes back to it or over it."""
    number: int = 0


class VersionStore:
    """Reads and writes the tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[ModelVersion]:
        """Return the versions, the newest first; `active` is what the activations say.

        Raises:
            StoreError: they could not be read.
        """
        rows = await self._database.read(f"SELECT {_COLUMNS} FROM model_versions ORDER BY created_at DESC, name")
        active = {(one.runtime, one.model): one.version for one in await self.activations()}
        return [
            ModelVersion(
                **{
                    **dict(row),
                    "created_at": parse_time(row["created_at"]),
                    "parameters": parameters_of(row["parameters"]),
                    "active": active.get((row["runtime"], row["model"])) == row["name"],
                }
            )
            for row in rows
        ]

    async def save(self, version: ModelVersion) -> None:
        """Write a version; one of the same name is replaced.

        Raises:
            StoreError: it could not be written.
        """
        v = version
        values = (
            v.name, v.model, v.runtime, time_text(v.created_at), _text(v.parameters), v.template, v.adapter, v.note,
            v.made,
        )  # fmt: skip

        async def write(db: aiosqlite.Connection) -> None:
            marks = ", ".join("?" * len(values))
            await db.execute(f"INSERT OR REPLACE INTO model_versions ({_COLUMNS}) VALUES ({marks})", values)

        await self._database.write(write)

    async def remove(self, version: ModelVersion) -> None:
        """Remove a version; when it was active stays written. Nobody goes back over one whose model goes with it."""

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute("DELETE FROM model_versions WHERE name = ?", (version.name,))
            if version.made:
                await db.execute("UPDATE model_activations SET undone = 1 WHERE version = ?", (version.name,))

        await self._database.write(write)

    async def activations(self) -> list[Activation]:
        """Return what became active, the oldest first."""
        rows = await self._database.read(
            "SELECT runtime, model, version, at, parameters, undone, number FROM model_activations ORDER BY number"
        )
        return [
            Activation(
                **{
                    **dict(row),
                    "at": parse_time(row["at"]),
                    "parameters": parameters_of(row["parameters"]),
                    "undone": bool(row["undone"]),
                }
            )
            for row in rows
        ]

    async def activated(self, activation: Activation) -> None:
        """Write that a version became active."""
        a = activation
        values = (a.runtime, a.model, a.version, time_text(a.at), _text(a.parameters))

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute(
                "INSERT INTO model_activations (runtime, model, version, at, parameters) VALUES (?, ?, ?, ?, ?)", values
            )

        await self._database.write(write)

    async def taken_back(self, taken: Sequence[Activation], back: str, at: datetime) -> None:
        """Write that activations of a model were taken back, and what is active since; "" for the base model itself."""
        last = taken[0]

        async def write(db: aiosqlite.Connection) -> None:
            for one in taken:
                await db.execute("UPDATE model_activations SET undone = 1 WHERE number = ?", (one.number,))
            await db.execute(
                "INSERT INTO model_activations (runtime, model, version, at, parameters, undone) "
                "VALUES (?, ?, ?, ?, '{}', 1)",
                (last.runtime, last.model, back, time_text(at)),
            )

        await self._database.write(write)

    async def traces(self, runtime: str, model: str) -> Sequence[tuple[datetime, str]]:
        """Return when requests to a model began, and their traces."""
        rows = await self._database.read(
            "SELECT started_at, trace FROM traces WHERE json_extract(trace, '$.route.runtime') = ? "
            "AND json_extract(trace, '$.route.model') = ? ORDER BY started_at",
            (runtime, model),
        )
        return [(parse_time(row["started_at"]), row["trace"]) for row in rows]


def parameters_of(text: str) -> GenerationParameters:
    """Return parameters as they were stored; names of another version are passed over."""
    saved = json.loads(text)
    known = {field.name for field in fields(GenerationParameters)}
    chosen = {name: value for name, value in saved.items() if name in known}
    if chosen.get("stop") is not None:
        chosen["stop"] = tuple(chosen["stop"])
    return GenerationParameters(**chosen)


def _text(parameters: GenerationParameters) -> str:
    return json.dumps({name: value for name, value in asdict(parameters).items() if value is not None})
