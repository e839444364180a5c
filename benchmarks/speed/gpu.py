"""vLLM on a GPU: the table of ``vllm_cpu`` with a model of stated size, built from a config with random weights.

Speed does not depend on what the weights say. Runs by itself, without a network, in under 8 minutes.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.speed.engine_table import Setup, measure
from benchmarks.speed.timing import Figure, arguments, conclude, figure
from optima_agents.backends.loading import TINY

MINUTES = 8.0
# width, layers, heads, key-value heads, inner width: the shapes of well-known models of about that many parameters
SIZES = {
    "1b": (2048, 16, 32, 8, 8192),
    "3b": (3072, 28, 24, 8, 8192),
    "8b": (4096, 32, 32, 8, 14336),
}


def build(size: str, folder: Path) -> int:
    """Write a random Llama of ``size`` with the embedded model's tokenizer; returns its number of parameters."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    width, layers, heads, key_values, inner = SIZES[size]
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_values,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(default)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--size", choices=SIZES, default="1b", help="parameters (default 1b)")
    parser.add_argument("--instances", type=int, default=64, help="questions, 8 dialogues each (default 64)")
    parser.add_argument("--concurrency", type=int, default=256, help="dialogues in flight (default 256)")
    args = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("no CUDA device here; benchmarks.speed.vllm_cpu measures the same on a CPU")
        return 2
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        parameters = build(args.size, Path(folder))
        figures: list[Figure] = [figure("billions of parameters", parameters / 1e9)]
        engine = {"dtype": "bfloat16", "max_model_len": 4096, "gpu_memory_utilization": 0.8, "block_size": 16}
        setup = Setup(folder, engine, instances=args.instances, concurrency=args.concurrency, block=16, rounds=1)
        figures += measure(setup)
    figures.append(figure("minutes", (time.monotonic() - start) / 60, MINUTES, at_most=True))
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    return conclude(figures, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
