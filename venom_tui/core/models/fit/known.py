"""Well-known open models with what decides their memory, so that something can be named without asking anybody.

Facts of their published configurations and files, as of the date below. Sizes are those of the usual quantization (four
bits) as it is fetched; what a repository holds today may differ by a little, and is looked at before it is pulled.
"""

from __future__ import annotations

from dataclasses import dataclass

from venom_tui.core.resources.estimate.shape import LayerShape, ModelShape

AS_OF = "2025-09-01"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One model."""

    ollama: str
    """Its name in Ollama's library."""
    hub: str
    """A repository of GGUF files at Hugging Face, with the quantization."""
    parameters: float
    """Billions."""
    size_bytes: int
    about: str
    architecture: str
    layers: int
    width: int
    feed_forward: int
    kv_heads: int
    head: int
    context: int
    active: float = 0.0
    """Billions of parameters that work for each token, where not all do."""
    window: int = 0
    period: int = 0
    """Every how many layers one looks back at everything."""
    experts_used: int = 0
    vocabulary: int = 152_000

    @property
    def shape(self) -> ModelShape:
        """What of it decides its memory."""
        row = self.kv_heads * self.head
        layers = tuple(
            LayerShape(row, row, self.window if self.period and number % self.period < self.period - 1 else 0)
            for number in range(self.layers)
        )
        return ModelShape(
            architecture=self.architecture,
            layers=layers,
            weights_bytes=self.size_bytes,
            vocabulary=self.vocabulary,
            embedding=self.width,
            feed_forward=0 if self.experts_used else self.feed_forward,
            expert_feed_forward=self.feed_forward if self.experts_used else 0,
            experts_used=self.experts_used,
            context_length=self.context,
            source=f"its published configuration, {AS_OF}",
        )

    @property
    def works_with(self) -> float:
        """Billions of parameters that work for each token: what its speed depends on."""
        return self.active or self.parameters


_GB = 1_000_000_000

KNOWN: tuple[KnownModel, ...] = (
    KnownModel("qwen3:0.6b", "Qwen/Qwen3-0.6B-GGUF:Q8_0", 0.6, int(0.64 * _GB), "small and quick, thinks, calls tools",
               "qwen3", 28, 1024, 3072, 8, 128, 40_960),
    KnownModel("llama3.2:1b", "bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", 1.2, int(0.81 * _GB),
               "short answers, summaries", "llama", 16, 2048, 8192, 8, 64, 131_072, vocabulary=128_256),
    KnownModel("gemma3:1b", "ggml-org/gemma-3-1b-it-GGUF:Q4_K_M", 1.0, int(0.81 * _GB), "many languages, short answers",
               "gemma3", 26, 1152, 6912, 1, 256, 32_768, window=512, period=6, vocabulary=262_144),
    KnownModel("qwen3:1.7b", "Qwen/Qwen3-1.7B-GGUF:Q8_0", 1.7, int(1.83 * _GB), "thinks, calls tools",
               "qwen3", 28, 2048, 6144, 8, 128, 40_960),
    KnownModel("llama3.2:3b", "bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M", 3.2, int(2.02 * _GB),
               "everyday questions, calls tools", "llama", 28, 3072, 8192, 8, 128, 131_072, vocabulary=128_256),
    KnownModel("qwen3:4b", "Qwen/Qwen3-4B-GGUF:Q4_K_M", 4.0, int(2.5 * _GB), "strong for its size, thinks, calls tools",
               "qwen3", 36, 2560, 9728, 8, 128, 40_960),
    KnownModel("gemma3:4b", "ggml-org/gemma-3-4b-it-GGUF:Q4_K_M", 4.3, int(2.49 * _GB), "many languages, sees",
               "gemma3", 34, 2560, 10_240, 4, 256, 131_072, window=1024, period=6, vocabulary=262_144),
    KnownModel("llama3.1:8b", "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M", 8.0, int(4.92 * _GB),
               "well known, calls tools", "llama", 32, 4096, 14_336, 8, 128, 131_072, vocabulary=128_256),
    KnownModel("qwen3:8b", "Qwen/Qwen3-8B-GGUF:Q4_K_M", 8.2, int(5.03 * _GB), "code, reasoning, calls tools",
               "qwen3", 36, 4096, 12_288, 8, 128, 40_960),
    KnownModel("gemma3:12b", "ggml-org/gemma-3-12b-it-GGUF:Q4_K_M", 12.2, int(7.3 * _GB), "many languages, sees",
               "gemma3", 48, 3840, 15_360, 8, 256, 131_072, window=1024, period=6, vocabulary=262_144),
    KnownModel("phi4:14b", "microsoft/phi-4-gguf:Q4_K_M", 14.7, int(9.05 * _GB), "mathematics and science",
               "phi3", 40, 5120, 17_920, 10, 128, 16_384, vocabulary=100_352),
    KnownModel("qwen3:14b", "Qwen/Qwen3-14B-GGUF:Q4_K_M", 14.8, int(9.0 * _GB), "code, reasoning, calls tools",
               "qwen3", 40, 5120, 17_408, 8, 128, 40_960),
    KnownModel("gpt-oss:20b", "ggml-org/gpt-oss-20b-GGUF", 20.9, int(12.1 * _GB),
               "reasoning and tools, quick: few experts work", "gpt-oss", 24, 2880, 2880, 8, 64, 131_072, active=3.6,
               window=128, period=2, experts_used=4,
               vocabulary=201_088),
    KnownModel("mistral-small3.2:24b", "bartowski/mistralai_Mistral-Small-3.2-24B-Instruct-2506-GGUF:Q4_K_M", 23.6,
               int(14.3 * _GB), "all-round, sees pictures, calls tools", "llama", 40, 5120, 32_768, 8, 128, 131_072,
               vocabulary=131_072),
    KnownModel("gemma3:27b", "ggml-org/gemma-3-27b-it-GGUF:Q4_K_M", 27.4, int(16.5 * _GB), "many languages, sees",
               "gemma3", 62, 5376, 21_504, 16, 128, 131_072, window=1024, period=6, vocabulary=262_144),
    KnownModel("qwen3:30b", "Qwen/Qwen3-30B-A3B-GGUF:Q4_K_M", 30.5, int(18.6 * _GB),
               "strong and quick: 3 of 30 billion parameters work", "qwen3moe", 48, 2048, 768, 4, 128, 40_960,
               active=3.3, experts_used=8),
    KnownModel("qwen3:32b", "Qwen/Qwen3-32B-GGUF:Q4_K_M", 32.8, int(19.8 * _GB), "strong, and slow",
               "qwen3", 64, 5120, 25_600, 8, 128, 40_960),
    KnownModel("llama3.3:70b", "bartowski/Llama-3.3-70B-Instruct-GGUF:Q4_K_M", 70.6, int(42.5 * _GB),
               "large, well rounded, calls tools", "llama", 80, 8192, 28_672, 8, 128, 131_072, vocabulary=128_256),
    KnownModel("gpt-oss:120b", "ggml-org/gpt-oss-120b-GGUF", 116.8, int(63.4 * _GB),
               "the largest here, for one card of 80 GB", "gpt-oss", 36, 2880, 2880, 8, 64, 131_072, active=5.1,
               window=128, period=2, experts_used=4, vocabulary=201_088),
)  # fmt: skip
"""By the number of their parameters."""
