"""transformers backend beside plain ``model.generate`` on the same batch: 64 prompts of 300 tokens, same outputs.

Plain generate is the library's own from loading on, and is given what it needs to do well: prompts of one length (no
padding), its default growing cache, greedy. Twice: all prompts different, and 8 siblings to a prompt; for the embedded
model, and for one whose query heads share key-value heads, as those of most models do. The library's own continuous
batching, ``model.generate_batch``, stands beside them, sized for the same batch; on a CPU it is slow, thus few tokens.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from optima_agents import Completion, Request, Sampling, make_backend
from optima_agents.backends.chat.model_files import resolve

from .random_model import build
from .timing import Figure, arguments, conclude, figure

BATCH, PROMPT, NEW, SIBLINGS = 64, 300, 64, 8
OVER_GENERATE = 1.5
FEW = 16  # new tokens where it takes part
PAGE = 32  # tokens of a page of its cache


def prompts(different: int, vocabulary: int) -> list[tuple[int, ...]]:
    """``BATCH`` prompts, ``different`` of them distinct, siblings side by side."""
    rng = random.Random(different)
    fresh = [tuple(rng.choices(range(10, vocabulary), k=PROMPT)) for _ in range(different)]
    return [prompt for prompt in fresh for _ in range(BATCH // different)]


def generate(model: Any, asked: list[tuple[int, ...]], new: int = NEW) -> tuple[float, list[list[int]]]:
    """Tokens per second of ``model.generate`` and the new ids; ends of turn are not looked for, so all are ``new``."""
    import torch

    batch = torch.tensor(asked, device=model.device)
    start = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(
            batch,
            attention_mask=torch.ones_like(batch),
            max_new_tokens=new,
            do_sample=False,
            eos_token_id=-1,
            pad_token_id=0,
        )
    return BATCH * new / (time.perf_counter() - start), out[:, PROMPT:].tolist()


def generate_batch(model: Any, asked: list[tuple[int, ...]], new: int = NEW) -> tuple[float, list[list[int]]]:
    """The same through the library's continuous batching, whose cache would by default take the whole memory."""
    from transformers import GenerationConfig
    from transformers.generation.configuration_utils import ContinuousBatchingConfig

    pages = BATCH * ((PROMPT + new) // PAGE + 2)
    size = ContinuousBatchingConfig(
        page_size=PAGE, num_blocks=pages, max_batch_tokens=BATCH * PROMPT, max_requests_per_batch=BATCH
    )
    how = GenerationConfig(max_new_tokens=new, do_sample=False, eos_token_id=-1, pad_token_id=0)
    start = time.perf_counter()
    inputs = [list(ids) for ids in asked]
    out = model.generate_batch(inputs, generation_config=how, continuous_batching_config=size, warmup=False)
    rate = BATCH * new / (time.perf_counter() - start)
    return rate, [out[f"req_{number}"].generated_tokens for number in range(len(asked))]


def backend_run(backend: Any, asked: list[tuple[int, ...]], new: int = NEW) -> tuple[float, list[list[int]]]:
    """The same through the backend, from an empty prefix pool."""
    backend.reset()

    async def run() -> list[Completion]:
        sampling = Sampling(0.0, max_tokens=new, logprobs=False)  # generate gives none either
        return await asyncio.gather(*(backend.complete(Request(prompt_ids=ids, sampling=sampling)) for ids in asked))

    start = time.perf_counter()
    done = asyncio.run(run())
    return BATCH * new / (time.perf_counter() - start), [list(item.ids or ()) for item in done]


def same(model: Any, asked: list[tuple[int, ...]], ours: list[list[int]], theirs: list[list[int]]) -> float:
    """Share of equal outputs; at a first difference the two tokens must be a tie within float noise to count."""
    return statistics.fmean(a == b or _tie(model, ids, a, b) for ids, a, b in zip(asked, ours, theirs, strict=True))


def _tie(model: Any, prompt: tuple[int, ...], a: list[int], b: list[int], noise: float = 1e-3) -> bool:
    import torch

    at = next(i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *a[:at]]], device=model.device)).logits[0, -1].float()
    return abs(float(logits[a[at]] - logits[b[at]])) < noise


def measure(model: str, name: str, rounds: int, device: str | None, new: int = NEW, paged: bool = True) -> list[Figure]:
    """``paged``: also beside the library's continuous batching."""
    from transformers import AutoModelForCausalLM

    backend: Any = make_backend(f"hf:{model}", device=device, max_batch=BATCH, ignore_eos=True)
    plain = AutoModelForCausalLM.from_pretrained(resolve(model), dtype=backend.model.dtype).to(backend.model.device)
    out = []
    gains = []
    for kind, different in (("different prompts", BATCH), (f"{SIBLINGS} siblings a prompt", BATCH // SIBLINGS)):
        asked = prompts(different, plain.config.vocab_size)
        rates, equal = [], 1.0
        for turn in range(rounds + 1):
            theirs, wanted = generate(plain, asked, new)
            ours, made = backend_run(backend, asked, new)
            if turn:  # the first round warms up
                rates.append((ours, theirs))
                equal = min(equal, same(plain, asked, made, wanted))
        ratios = [ours / theirs for ours, theirs in rates]
        gains.append(statistics.median(ours for ours, _ in rates))
        title = f"{name}, {kind}"
        out += [
            figure(f"{title}: tokens/s of model.generate", statistics.median(theirs for _, theirs in rates)),
            figure(f"{title}: tokens/s of the backend", gains[-1]),
            figure(f"{title}: backend over generate", statistics.median(ratios), OVER_GENERATE),
            figure(f"{title}: lowest round", min(ratios)),
            figure(f"{title}: highest round", max(ratios)),
            figure(f"{title}: share of equal outputs", equal, 1.0),
        ]
        if paged:
            rate, wanted = generate_batch(plain, asked, FEW)
            ours, made = backend_run(backend, asked, FEW)
            out += [
                figure(f"{title}: backend over generate_batch, {FEW} new tokens", ours / rate),
                figure(f"{title}: share of outputs equal to its", same(plain, asked, made, wanted), 1.0),
            ]
    out.append(figure(f"{name}: gain of siblings", gains[1] / gains[0], 1.0))
    asyncio.run(backend.aclose())
    return out


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--model", help="folder or hub name (default: the embedded model, then one of grouped heads)")
    parser.add_argument("--device", help="cpu, cuda ... (default: what the machine has)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds after the warm-up (default 9)")
    parser.add_argument("--new", type=int, default=NEW, help=f"new tokens a prompt (default {NEW})")
    args = parser.parse_args()
    how = args.rounds, args.device, args.new
    if args.model:
        return conclude(measure(args.model, args.model, *how), args.json)
    figures = measure("tiny", "tiny", *how)
    with tempfile.TemporaryDirectory() as folder:
        build("small", Path(folder), device="cpu", dtype="float32")
        figures += measure(folder, "grouped heads", *how)
    return conclude(figures, args.json)


if __name__ == "__main__":
    raise SystemExit(main())
