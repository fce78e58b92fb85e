"""Make the two models that the vLLM server of the tests serves; run by vLLM's own Python.

python vllm_models.py tiny FOLDER              a Llama of 101,504 random weights with a tokenizer of its own; 250 KB
python vllm_models.py convert FILE.gguf FOLDER a GGUF file of the Llama family, as vLLM reads it; 270 MB for SmolLM2
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SPECIAL = ["<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]


def _module(name: str) -> Any:
    """Return a package of vLLM's environment, which the project's own does not have."""
    return importlib.import_module(name)


def tiny(folder: Path) -> None:
    """Write a tiny Llama with random weights, the same ones every time."""
    torch, transformers, tokenizers = _module("torch"), _module("transformers"), _module("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.BPE())
    words.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=600, special_tokens=_SPECIAL, initial_alphabet=alphabet)
    words.train_from_iterator(["hello world the quick brown fox jumps over the lazy dog"] * 50, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", eos_token="<|im_end|>", pad_token="<pad>"
    )
    tokenizer.chat_template = _TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=32, max_position_embeddings=2048, bos_token_id=0,
        eos_token_id=tokenizer.eos_token_id, tie_word_embeddings=True,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


def convert(file: Path, folder: Path) -> None:
    """Write a GGUF file's weights, tokenizer and template as safetensors in bfloat16."""
    torch, transformers = _module("torch"), _module("transformers")
    named = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**named)
    read = transformers.AutoModelForCausalLM.from_pretrained(**named, dtype=torch.bfloat16)
    config = read.config.to_dict()
    config.pop("quantization_config", None)  # it speaks of the GGUF file; with it nothing can be saved
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config)).to(torch.bfloat16)
    model.load_state_dict(read.state_dict(), strict=False)
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    verb, *paths = sys.argv[1:]
    if verb == "tiny":
        tiny(Path(paths[0]))
    else:
        convert(Path(paths[0]), Path(paths[1]))
