"""Gives models another name: Ollama's by its own copy, files by another name for the same bytes where that goes."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

from venom_tui.core.errors import Interrupted, LoadFailed, NotRemovable, ReadOnly, UsageError, VenomError
from venom_tui.core.models.changing import Changing
from venom_tui.core.models.files import COPYING, parts_of
from venom_tui.core.models.names import check_name, name_of_file, normalized
from venom_tui.core.models.ollama_side import OllamaSide
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.store.settings import SettingsStore
from venom_tui.core.types.model import ModelInfo

_log = logging.getLogger(__name__)
Models = Callable[[], Awaitable[list[ModelInfo]]]
_PIECE = 4 * 1024 * 1024
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EACCES})


class Copier:
    """Copies models under new names.

    Args:
        models: looks at everything again and returns all models.
    """

    def __init__(
        self,
        settings: Settings,
        store: SettingsStore,
        operations: OperationRunner,
        ollama: OllamaSide,
        changing: Changing,
        models: Models,
    ) -> None:
        self._settings = settings
        self._store = store
        self._operations = operations
        self._ollama = ollama
        self._changing = changing
        self._models = models

    async def copy(self, model: ModelInfo, new_name: str) -> ModelInfo:
        """Give a model another name, with the parameters that are saved for it; return the new one.

        Raises:
            UsageError: the new name is not legal, or taken.
            NotRemovable: its server cannot be told to.
            ModelInUse: something of it is being fetched or is to be, or a model of the new name is.
            RuntimeFailure: the server failed, with its own words.
            ReadOnly: venom-tui runs read-only.
        """
        if self._settings.flag("VENOM_READ_ONLY"):
            raise ReadOnly("venom-tui runs read-only: nothing is copied.", hint="Start it without --read-only.")
        of_ollama = self._ollama.client(model.runtime) is not None
        if not of_ollama and (model.path is None or model.runtime != "embedded"):
            raise NotRemovable(f"{model.name} cannot be copied: its server cannot be told to, and it is no GGUF file.")
        name = normalized(new_name, "ollama") if of_ollama else _file_name(new_name)
        taken = {one.name.lower() for one in await self._models() if one.runtime == model.runtime}
        if name.lower() in taken:
            raise UsageError(f"There is a model {name!r} already.", hint="Copying replaces nothing: take another name.")
        holds = self._changing.holds_of_copy(model, name)
        await self._changing.refuse(model.name, holds, "copied")

        async def work(progress: Progress) -> None:
            await self._changing.refuse(model.name, holds, "copied")  # one that was begun while this waited
            progress.update(message=f"copying {model.name}")
            if of_ollama:
                await self._ollama.copy(model.runtime, model.name, name)
            else:
                await self._copy_files(model, name, progress)
            saved = await self._store.parameters(model.runtime, model.name)
            await self._store.save_parameters(model.runtime, name, saved)

        target = f"{model.name} → {name}"
        facts = {"runtime": model.runtime, "provider": model.provider}
        await self._operations.run("copy", target, work, holds=holds, **facts)
        for found in await self._models():
            if (found.runtime, found.name.lower()) == (model.runtime, name.lower()):
                return found
        raise LoadFailed(f"{model.name} was copied, but {name} is not listed.")

    async def _copy_files(self, model: ModelInfo, name: str, progress: Progress) -> None:
        if model.error:
            raise UsageError(f"{model.name} cannot be copied: {model.error}.")
        loop = asyncio.get_running_loop()
        given_up = False

        def told(done: int, total: int) -> None:
            loop.call_soon_threadsafe(lambda: progress.update(bytes_done=done, bytes_total=total))

        def copy() -> None:
            copy_files(Path(model.path or ""), self._settings.models_dir, name, told, lambda: given_up)

        try:
            await asyncio.to_thread(copy)
        finally:
            given_up = True


def _file_name(name: str) -> str:
    """Return the name of a copy of a file.

    Raises:
        UsageError: a file of that name would be offered under another one.
    """
    name = normalized(name, "local")
    check_name(name)
    if name_of_file(f"{name}.gguf") != name or any(part.startswith(".") for part in name.split("/")):
        raise UsageError(
            f"{sanitize_line(name, 60)!r} is no name for a GGUF file.",
            hint="Use letters, digits, spaces and . _ - + ( ) [ ]; a / puts it into a folder.",
        )
    return name


def copy_files(
    source: Path, folder: Path, name: str, told: Callable[[int, int], None], given_up: Callable[[], bool]
) -> None:
    """Put the files of a model into a folder under another name: hard links where that goes, else copies (a thread's).

    Raises:
        UsageError: a file of that name is there.
        VenomError: there is no room, or it could not be written; nothing of it is left then.
    """
    parts = parts_of(source)
    total = sum(part.stat().st_size for part in parts)
    made: list[Path] = []
    done = 0
    try:
        for number, part in enumerate(parts, 1):
            ending = ".gguf" if len(parts) == 1 else f"-{number:05d}-of-{len(parts):05d}.gguf"
            target = folder / f"{name}{ending}"
            _check_place(folder, target)
            target.parent.mkdir(parents=True, exist_ok=True)
            done = _put(part.resolve(), target, total, done, told, given_up, made)
            told(done, total)
    except (OSError, VenomError) as error:
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(error, VenomError):
            raise
        raise VenomError(
            f"{name} could not be written: {sanitize_line(error.strerror or str(error), 120)}.",
            hint="Nothing of it was left behind.",
        ) from None


def _put(
    part: Path,
    target: Path,
    total: int,
    done: int,
    told: Callable[[int, int], None],
    given_up: Callable[[], bool],
    made: list[Path],
) -> int:
    """Link or copy one file; return how many bytes are done now."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise UsageError(f"There is a file {target.name} already.", hint="Take another name.") from None
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
    else:
        made.append(target)
        return done + part.stat().st_size
    beside = target.with_name(f".{target.name}{COPYING}")
    with part.open("rb") as reader, _begun(beside) as writer:
        made.append(beside)
        free = shutil.disk_usage(target.parent).free
        if free < total - done:
            raise VenomError(
                f"There is no room for the copy: it takes {total - done:,} bytes, and {free:,} are free.",
                hint="Free some first; `venom-tui models disk` tells what takes the room.",
            )
        while piece := reader.read(_PIECE):
            if given_up():
                raise Interrupted("The copy was given up.")
            writer.write(piece)
            done += len(piece)
            told(done, total)
        writer.flush()
        os.fsync(writer.fileno())
    _rename(beside, target)
    made.append(target)
    return done


def _begun(path: Path) -> BinaryIO:
    """Begin a file; what a copy that was killed left there goes.

    Raises:
        UsageError: it is being written now.
    """
    try:
        with path.open("r+b") as old:
            _lock(old)
            path.unlink()  # never written into: it may be another name of a copy that is whole
    except FileNotFoundError:
        pass
    except BlockingIOError:
        raise UsageError(f"{path.name} is being written just now.", hint="Wait for that copy.") from None
    writer = path.open("xb")
    _lock(writer)
    return writer


def _lock(file: BinaryIO) -> None:
    """Lock a file where its file system can: that nobody else copies here is seen to by what the operation holds.

    Raises:
        BlockingIOError: somebody else has locked it.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        _log.info("%s cannot be locked", sanitize_line(file.name, 200))


def _rename(beside: Path, target: Path) -> None:
    """Give a file its name, and never that of another one."""
    try:
        os.link(beside, target)
    except OSError as error:
        if error.errno not in _NO_LINK or os.path.lexists(target):
            raise
        beside.rename(target)
    else:
        beside.unlink()


def _check_place(folder: Path, target: Path) -> None:
    """Refuse a place that leads out of the folder of models.

    Raises:
        UsageError: a link in it leads there.
    """
    root = folder.resolve()
    parent = target.parent
    while not parent.exists():
        parent = parent.parent
    real = parent.resolve()
    if real != root and root not in real.parents and folder.exists():
        raise UsageError(f"{target} lies outside of {folder}.", hint="Take a name without that folder.")
