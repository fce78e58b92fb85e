"""Files of models that are headers only, rows without files, and the catalog as a test sees it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.gguf_files import Writer
from tests.ui.shown import Shown
from venom_tui.core.types.model import ModelInfo
from venom_tui.ui.screens.catalog.model_list import ModelList
from venom_tui.ui.screens.catalog.row import Row, row_of
from venom_tui.ui.screens.catalog.screen import CatalogScreen

FILE_TYPES = {"F16": 1, "Q4_0": 2, "Q8_0": 7, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18, "IQ4_XS": 30}
GIB = 1024**3


def model_file(
    path: Path,
    *,
    architecture: str = "llama",
    parameters: int | None = None,
    quantization: str | None = None,
    context: int | None = None,
    template: bool = False,
    size: int = 0,
) -> Path:
    """Write the header of a model; the file is filled up to `size` bytes without taking disk space."""
    values: dict[str, object] = {"general.architecture": architecture}
    if quantization is not None:
        values["general.file_type"] = FILE_TYPES[quantization]
    if context is not None:
        values[f"{architecture}.context_length"] = context
    if template:
        values["tokenizer.chat_template"] = "{{ messages }}"
    tensors = [] if parameters is None else [("token_embd.weight", (parameters,))]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(Writer().header(values, tensors))
        file.truncate(max(size, file.tell()))
    return path


def three_models(folder: Path) -> None:
    """Write three models that differ in everything that is shown of them; the active one is the first."""
    model_file(
        folder / "Qwen2.5-7B-Instruct.gguf",
        architecture="qwen2",
        parameters=7_615_616_512,
        quantization="Q5_K_M",
        context=32_768,
        template=True,
        size=int(5.07 * GIB),
    )
    model_file(
        folder / "gemma-3-270m.gguf",
        architecture="gemma3",
        parameters=268_098_176,
        quantization="Q8_0",
        context=8192,
        template=True,
        size=291_000_000,
    )
    model_file(
        folder / "llama-base.gguf",
        architecture="llama",
        parameters=8_030_000_000,
        quantization="Q4_K_M",
        context=131_072,
        size=int(4.6 * GIB),
    )
    for age, path in enumerate(sorted(folder.glob("*.gguf"))):
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))


def squeezed(text: str) -> str:
    """Return a text with one blank for many."""
    return " ".join(text.split())


def row(name: str = "m", **facts: object) -> Row:
    """Return the row of a model; `runtime` and `provider` are the embedded runtime's where they are not given."""
    given: dict[str, object] = {"runtime": "embedded", "provider": "local"} | facts
    return row_of(ModelInfo(name=name, **given))  # type: ignore[arg-type]  # keywords of one dataclass


class Catalog(Shown):
    """What a test sees of the application and does to it, with the catalog."""

    @property
    def screen(self) -> CatalogScreen:
        """The catalog, in front or not."""
        screen = self.app.section_screen("catalog")
        assert isinstance(screen, CatalogScreen)
        return screen

    @property
    def rows(self) -> ModelList:
        """Its rows."""
        return self.screen.query_one(ModelList)

    @property
    def names(self) -> list[str]:
        """The names of the listed models."""
        return [key.partition(" ")[2] for key in self.rows.keys]

    @property
    def cursor(self) -> str:
        """The name of the model under the cursor."""
        return (self.rows.cursor_key or "").partition(" ")[2]

    async def until_names(self, *names: str) -> None:
        """Wait until exactly these models are listed, in this order."""
        await self.until(lambda: self.names == list(names))
