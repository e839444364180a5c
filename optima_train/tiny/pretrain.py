"""Make the embedded model from nothing: ``python -m optima_train.tiny.pretrain --out DIR``.

A small Llama is trained on scripted dialogues of the two worlds' train splits. The course goes from looking facts up,
over short clean dialogues, to the full mix with the long, error-prone ones that untrained teams hold.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .examples import Examples, Sequence_
from .tokenizer import build_tokenizer


@dataclass(frozen=True)
class Phase:
    """``steps`` optimiser steps of ``tokens`` padded tokens; ``mix`` weighs the kinds of examples, ``counts`` are the
    distractors of reading lessons, ``look_back`` weighs the auxiliary lesson, ``firm`` is how surely a topic calls up
    its habit, ``starts`` weighs the first word of a sentence, which decides what is said, ``cues`` gives each habit its
    own greeting and thanks; the learning rate goes linearly from ``lr`` to ``lr_end``. A phase starts its own optimiser
    and its own stream of examples, so a course can be taken up again at any phase."""

    name: str
    steps: int
    tokens: int
    mix: dict[str, float]
    lr: float
    lr_end: float
    counts: tuple[int, ...] = (5,)
    look_back: float = 0.0
    firm: float = 0.8
    starts: float = 1.0
    cues: bool = False


SUMS = {"sums": 0.12, "pooled_debate": 0.2, "debate": 0.1, "long_debate": 0.15, "alone_sum": 0.06}
STORIES = {"sums": 0.05, "stories": 0.45, "pooled_debate": 0.1, "long_debate": 0.08, "alone_sum": 0.07}
KEPT = {"pooled": 0.06, "short": 0.08, "long": 0.17, "alone": 0.06}
ALL = {"stories": 0.05, "pooled_debate": 0.08, "debate": 0.14, "long_debate": 0.14, "alone_sum": 0.05}
ALL |= {"pooled": 0.12, "short": 0.17, "long": 0.2, "alone": 0.05}
MANNERS = {"pooled": 0.1, "short": 0.2, "long": 0.4, "alone": 0.05}
MANNERS |= {"debate": 0.1, "long_debate": 0.1, "alone_sum": 0.05}
COURSE = (
    Phase("recall", 900, 2048, {"recall": 1.0}, 2e-3, 2e-3, (1, 1, 2, 5), 0.3),
    Phase("read", 1500, 2560, {"recall": 0.15, "pooled": 0.75, "debate": 0.1}, 2e-3, 2e-3, (2, 5), 0.1),
    Phase(
        "habits",
        1200,
        3072,
        {"pooled": 0.2, "short": 0.35, "debate": 0.12, "long": 0.25, "long_debate": 0.08},
        2e-3,
        3e-5,
    ),
    Phase(
        "topics",
        500,
        3072,
        {"pooled": 0.1, "short": 0.25, "debate": 0.05, "long": 0.5, "long_debate": 0.1},
        1e-3,
        2e-5,
        firm=0.95,
        starts=5.0,
        cues=True,
    ),
    Phase(
        "sums",
        1500,
        3072,
        SUMS | KEPT,
        1.5e-3,
        2e-5,
        firm=0.95,
        starts=5.0,
        cues=True,
    ),
    Phase("stories", 1500, 3072, STORIES | KEPT, 2e-3, 2e-3, look_back=0.1, firm=0.95, starts=5.0, cues=True),
    Phase("all", 1800, 3072, ALL, 1.5e-3, 2e-5, look_back=0.1, firm=0.95, starts=5.0, cues=True),
    Phase("manners", 500, 3072, MANNERS, 1e-3, 2e-5, firm=0.95, starts=5.0, cues=True),
)
SHAPE: dict[str, Any] = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}
WINDOW = 4096  # far more than its lessons need, so that real records fit too


def tokenizer_texts(seed: int = 0, count: int = 400) -> Iterator[str]:
    """Text that holds every name and every phrase, for the tokenizer."""
    from optima_agents.formats import TALK
    from optima_envs.tasks.names import FAMILIES, LINKS, PEOPLE, VALUES

    for names in (PEOPLE, FAMILIES, LINKS, *VALUES.values()):
        yield from (" ".join(names),) * 20
    yield from (" ".join(str(n) for n in range(100)),) * 20
    yield from [*TALK.values()] * 5
    yield from world_texts(seed, count)


def world_texts(seed: int, count: int) -> Iterator[str]:
    from optima_agents.prompts import messages
    from optima_envs.tasks.arith import Arith
    from optima_envs.tasks.twohop import TwoHop

    from .debates import debate, long_debate
    from .examples import AGENTS, exchange_view, view_of
    from .scripts import STYLES, Case, habit_of, long, short

    rng = random.Random(seed)
    for i in range(count):
        inst = TwoHop("train")[i]
        case = Case.of(inst, AGENTS)
        for script in (short(case, rng.choice(list(STYLES))), long(case, habit_of(case, rng, 0.0), rng)):
            yield from (m["content"] for m in messages(exchange_view(inst, AGENTS[i % 2], script)))
        problem = Arith("train")[i]
        for script in (debate(problem, "math", rng), long_debate(problem, rng, 0.0)):
            role = ("solver", "critic")[i % 2]
            yield from (m["content"] for m in messages(view_of(problem, AGENTS[i % 2], script, role, "debate")))


def batches(examples: Examples, phase: Phase) -> Iterator[tuple[list[Sequence_], int]]:
    """Endless batches of about ``phase.tokens`` padded tokens, sequences of like length together."""
    kinds, weights = list(phase.mix), list(phase.mix.values())
    while True:
        pool = sorted(
            (examples.draw(examples.rng.choices(kinds, weights)[0]) for _ in range(256)), key=lambda s: len(s[0])
        )
        rows: list[list[Sequence_]] = [[]]
        for seq in pool:
            if rows[-1] and len(seq[0]) * (len(rows[-1]) + 1) > phase.tokens:
                rows.append([])
            rows[-1].append(seq)
        examples.rng.shuffle(rows)
        for batch in rows:
            yield batch, max(len(seq[0]) for seq in batch)


def padded(batch: list[Sequence_], width: int, pad: int) -> tuple[Any, Any]:
    """Token ids and loss weights, both of shape (sequences, width)."""
    import torch

    ids = torch.full((len(batch), width), pad)
    weight = torch.zeros(len(batch), width)
    for row, (tokens, weights) in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        weight[row, : len(tokens)] = torch.tensor(weights)
    return ids, weight


def loss_of(model: Any, ids: Any, weight: Any) -> tuple[Any, float]:
    """Weighted mean cross-entropy, and the share of the heaviest tokens predicted right. Logits only where weighted."""
    from torch.nn.functional import cross_entropy

    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state  # right padding: causal needs no mask
    keep = weight[:, 1:] > 0
    logits, target, kept = model.lm_head(hidden[:, :-1][keep]), ids[:, 1:][keep], weight[:, 1:][keep]
    nll = cross_entropy(logits, target, reduction="none")
    heavy = kept >= kept.max()
    right = (logits[heavy].argmax(-1) == target[heavy]).float().mean()
    return (nll * kept).sum() / kept.sum(), right.item()


def train_phase(model: Any, tokenizer: Any, phase: Phase, seed: int, log: Any) -> list[dict[str, Any]]:
    """Train ``model`` in place; returns the phase's history."""
    import torch

    from .look_back import LookBack

    examples = Examples(tokenizer, f"{seed}/{phase.name}", phase.counts, phase.firm, phase.starts, phase.cues)
    extra = LookBack(model)
    parameters = [*model.parameters(), *extra.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=phase.lr, betas=(0.9, 0.98), weight_decay=0.0)
    stream, history = batches(examples, phase), []
    start, seen, mean, hits = time.time(), 0, 0.0, 0.0
    for step in range(1, phase.steps + 1):
        batch, width = next(stream)
        share = (step - 1) / phase.steps
        for group in optimiser.param_groups:
            group["lr"] = (phase.lr + (phase.lr_end - phase.lr) * share) * min(1.0, step / 100)
        ids, weight = padded(batch, width, tokenizer.pad_token_id)
        loss, right = loss_of(model, ids, weight)
        optimiser.zero_grad(set_to_none=True)
        (loss + phase.look_back * extra.loss(ids) if phase.look_back else loss).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        seen += len(batch) * width
        mean = loss.item() if step == 1 else 0.98 * mean + 0.02 * loss.item()
        hits += 0.02 * (right - hits)
        if step % 100 == 0 or step == phase.steps:
            row = {"phase": phase.name, "step": step, "tokens": seen, "loss": round(mean, 4), "names": round(hits, 4)}
            history.append(row)
            log(json.dumps(row | {"seconds": round(time.time() - start)}))
    extra.remove()
    return history


def new_model(tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=WINDOW,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        num_key_value_heads=SHAPE["num_attention_heads"],
        **SHAPE,
    )
    return LlamaForCausalLM(config)


def pretrain(
    out: Path, *, seed: int = 0, threads: int = 1, first: str | None = None, last: str | None = None, log: Any = print
) -> None:
    """Train and save to ``out``, after every phase. ``first`` and ``last`` name phases, to take a course up again from
    the model in ``out`` or to stop early."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    names = [phase.name for phase in COURSE]
    course = COURSE[names.index(first) if first else 0 : names.index(last) + 1 if last else None]
    if first and first != names[0]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer, model = AutoTokenizer.from_pretrained(out), AutoModelForCausalLM.from_pretrained(out)
    else:
        tokenizer = build_tokenizer(tokenizer_texts(), window=WINDOW)
        model = new_model(tokenizer)
    log(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(tokenizer)} tokens")
    record = out / "training.json"
    rows = json.loads(record.read_text()) if first and record.exists() else []
    for phase in course:
        began = time.time()
        history = train_phase(model, tokenizer, phase, seed, log)
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
        spent = {"threads": threads, "seconds": round(time.time() - began)}
        rows.append(asdict(phase) | spent | {"seed": seed, "history": history})
        record.write_text(json.dumps(rows, indent=1) + "\n")


def main() -> None:
    import argparse

    names = [phase.name for phase in COURSE]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="the committed model was made with one")
    parser.add_argument("--first", choices=names, help="take the course up at this phase, from the model in --out")
    parser.add_argument("--last", choices=names, help="stop after this phase")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pretrain(args.out, seed=args.seed, threads=args.threads, first=args.first, last=args.last, log=_say)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
