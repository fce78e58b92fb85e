"""What is kept of models: when they were used, their manifests, digests of files, and what others answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiosqlite

from venom_tui.core.store.database import Database
from venom_tui.core.store.rows import parse_time, time_text

_MOST_ANSWERS = 300
"""Answers that are kept; the oldest leave."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that somebody said, and when."""

    value: Any
    """Plain data: what JSON knows."""
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class KeptManifest(Kept):
    """What a runtime said of a model."""

    runtime: str
    model: str
    digest: str
    """The model's digest at that time: with another one it is another model."""


@dataclass(frozen=True, slots=True)
class FileDigest:
    """The digest of a file, as long as its size and time are these."""

    path: str
    size_bytes: int
    modified_ns: int
    digest: str


class CatalogStore:
    """Reads and writes these tables."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    async def uses(self) -> dict[tuple[str, str], datetime]:
        """Return (runtime, model) -> when it answered last."""
        rows = await self._database.read("SELECT runtime, model, used_at FROM model_uses")
        return {(row["runtime"], row["model"]): parse_time(row["used_at"]) for row in rows}

    # ------------------------------------------------------------------ manifests

    async def manifests(self) -> list[KeptManifest]:
        """Return all manifests."""
        rows = await self._database.read("SELECT runtime, model, digest, asked_at, manifest FROM manifests")
        return [
            KeptManifest(
                json.loads(row["manifest"]), parse_time(row["asked_at"]), row["runtime"], row["model"], row["digest"]
            )
            for row in rows
        ]

    async def save_manifest(self, runtime: str, model: str, digest: str, manifest: object) -> KeptManifest:
        """Keep what a runtime said now of a model, in place of what it said before."""
        moment = self._now()
        values = (runtime, model, digest, time_text(moment), _text(manifest))

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute(
                "INSERT OR REPLACE INTO manifests (runtime, model, digest, asked_at, manifest) VALUES (?, ?, ?, ?, ?)",
                values,
            )

        await self._database.write(write)
        return KeptManifest(manifest, moment, runtime, model, digest)

    async def forget_model(self, runtime: str, model: str) -> None:
        """Remove what is kept of a model that was removed: manifest, parameters, last use."""

        async def write(db: aiosqlite.Connection) -> None:
            for table in ("manifests", "parameters", "model_uses"):
                await db.execute(f"DELETE FROM {table} WHERE runtime = ? AND model = ?", (runtime, model))

        await self._database.write(write)

    # ------------------------------------------------------------------ digests

    async def digests(self) -> dict[str, FileDigest]:
        """Return path -> digest, of files that may have changed since."""
        rows = await self._database.read("SELECT path, size_bytes, modified_ns, digest FROM file_digests")
        return {row["path"]: FileDigest(*row) for row in rows}

    async def save_digest(self, found: FileDigest) -> None:
        """Keep the digest of a file."""

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute(
                "INSERT OR REPLACE INTO file_digests (path, size_bytes, modified_ns, digest) VALUES (?, ?, ?, ?)",
                (found.path, found.size_bytes, found.modified_ns, found.digest),
            )

        await self._database.write(write)

    async def forget_digests(self, paths: Iterable[str]) -> None:
        """Remove the digests of files that are gone."""
        values = [(path,) for path in paths]

        async def write(db: aiosqlite.Connection) -> None:
            await db.executemany("DELETE FROM file_digests WHERE path = ?", values)

        await self._database.write(write)

    # ------------------------------------------------------------------ answers

    async def answer(self, question: str) -> Kept | None:
        """Return what was answered last, None when nothing was."""
        rows = await self._database.read("SELECT asked_at, answer FROM answers WHERE question = ?", (question,))
        return Kept(json.loads(rows[0]["answer"]), parse_time(rows[0]["asked_at"])) if rows else None

    async def save_answer(self, question: str, answer: object) -> Kept:
        """Keep an answer in place of the one before."""
        moment = self._now()
        values = (question, time_text(moment), _text(answer))

        async def write(db: aiosqlite.Connection) -> None:
            await db.execute("INSERT OR REPLACE INTO answers (question, asked_at, answer) VALUES (?, ?, ?)", values)
            await db.execute(
                "DELETE FROM answers WHERE question IN "
                "(SELECT question FROM answers ORDER BY asked_at DESC LIMIT -1 OFFSET ?)",
                (_MOST_ANSWERS,),
            )

        await self._database.write(write)
        return Kept(answer, moment)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
