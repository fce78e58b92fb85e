"""What the names of files say of their quantization."""

from __future__ import annotations

import re

_LABEL = re.compile(
    r"(?:^|[-_./ ])((?:UD-)?(?:IQ[1-4]_[A-Z0-9_]+|T?Q[1-8](?:_[A-Z0-9]+)*|MXFP4(?:_MOE)?|BF16|F16|FP16|F32))"
    r"(?=$|[-_./ ])",
    re.IGNORECASE,
)
_PART = re.compile(r"-\d{5}-of-\d{5}\Z")


def quantization_of(name: str) -> str | None:
    """Return `Q4_K_M` of `tiny-Q4_K_M.gguf`: the last such word, in upper case; None where there is none."""
    stem = _PART.sub("", re.sub(r"\.gguf\Z", "", name, flags=re.IGNORECASE))
    found = _LABEL.findall(stem)
    return found[-1].upper() if found else None
