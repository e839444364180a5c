"""Whether a model decodes in slots as it reads a text in one plain pass; tried when it is loaded, not at a request."""

from __future__ import annotations

from typing import Any

import torch

from .slots import SlotCache

LENGTHS, STEPS = (9, 5), 3  # two prompts side by side, one padded, and tokens after them
EXACT, ROUGH = 1e-3, 0.2  # nats: the largest difference in float32 and more, the mean one in half precision
WAY_OUT = "use the vllm backend, or openai with a server of the model"


@torch.inference_mode()
def check(model: Any, source: str) -> None:
    """Raises ValueError for a model whose log-probabilities, prompt by prompt and token by token, are not those of its
    own plain pass: an architecture with other caches, positions or attention than are built here."""
    try:
        rows = _rows(model)
        ours, plain = _decoded(model, rows), [_plain(model, row) for row in rows]
    except Exception as err:
        why = " ".join(f"{type(err).__name__}: {err}".split())[:300]
        raise ValueError(f"{source}: {type(model).__name__} cannot be decoded here ({why}); {WAY_OUT}") from None
    apart = torch.stack([(a - b).abs() for a, b in zip(ours, plain, strict=True)])
    exact = model.dtype in (torch.float32, torch.float64)
    off = float(apart.max() if exact else apart.mean())
    if not off <= (EXACT if exact else ROUGH):
        raise ValueError(f"{source}: decoding {type(model).__name__} here is off by {off:.2g} nats; {WAY_OUT}")


def _rows(model: Any) -> list[list[int]]:
    size = model.get_input_embeddings().weight.shape[0]
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(size, (length + STEPS,), generator=generator).tolist() for length in LENGTHS]


def _plain(model: Any, row: list[int]) -> torch.Tensor:
    """(steps + 1, vocabulary): the log-probabilities behind the prompt and each token after it, by eager attention."""
    used = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        logits = model(input_ids=torch.tensor([row], device=model.device), use_cache=False).logits[0, -STEPS - 1 :]
    finally:
        model.set_attn_implementation(used)
    return logits.float().log_softmax(-1)


def _decoded(model: Any, rows: list[list[int]]) -> list[torch.Tensor]:
    """The same by way of the slots: both prompts in one pass, then token by token."""
    cache = SlotCache.of(model, slots=len(rows), columns=max(LENGTHS) + STEPS + 1)
    made: list[list[torch.Tensor]] = [[] for _ in rows]
    for step in range(STEPS + 1):
        ends = [length + step for length in LENGTHS]
        starts = [end - 1 for end in ends] if step else [0] * len(rows)
        counts = [end - start for end, start in zip(ends, starts, strict=True)]
        mask, positions = cache.place(0, starts, counts, model.device, model.dtype)
        ids = [[0] * (max(counts) - c) + row[s:e] for row, s, e, c in zip(rows, starts, ends, counts, strict=True)]
        logits = model(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        for place, one in zip(made, logits.float().log_softmax(-1), strict=True):
            place.append(one)
    return [torch.stack(row) for row in made]
