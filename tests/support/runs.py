"""Run directories written through the real stores, and settings of runs that take seconds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from optima_agents import EpisodeLog
from optima_envs import Episode, EpisodeKey, ErrorInfo, Instance, Outcome, Turn

# ends the script block, runs script, opens a comment, breaks lines for a JavaScript parser, is no valid Unicode
HOSTILE = (
    "</script><script>document.title='PWNED'</script><img src=x onerror=\"document.title='PWNED'\">"
    "<!-- <script> \u2028 & &lt; \ud800 ${1} `x`"
)


def episode(number: int, sample: int, *, correct: bool, length: int, say: str = "<A> Zed </A>") -> Episode:
    turns = tuple(Turn(("Alice", "Bob")[k % 2], f"{say} {number}" * (1 + length // 40), length // 4) for k in range(4))
    inst = Instance(f"twohop-{number}", f"Who is the mentor of {say} {number}?", ("Zed",), {"Alice": "a", "Bob": "b"})
    outcome = Outcome("answered", "Zed") if correct else Outcome("max_turns", None)
    error = ErrorInfo("timeout", f"gave up {HOSTILE}") if number % 50 == 7 else None
    key = EpisodeKey(inst.id, sample, 1)
    return Episode(key, "optima/twohop-asym-v0", inst, turns, outcome, float(correct), correct, error=error)


def write_log(path: Path, episodes: Iterator[Episode]) -> None:
    with EpisodeLog(path) as log:
        for item in episodes:
            log.append(item)


def write_run(directory: Path, *, evaluated: int = 12, groups: int = 5, samples: int = 4) -> Path:
    """A finished run of two iterations in the layout that ``Experiment`` leaves; one question in ten is hostile."""
    rng = random.Random(0)
    directory.mkdir(parents=True)
    (directory / "config.resolved.yaml").write_text(f"name: demo\n# {HOSTILE[:80]}\n", encoding="utf-8")
    say = [HOSTILE if i % 10 == 0 else "mentor of Zed" for i in range(10)]

    def held_out(length: int, share: float) -> Iterator[Episode]:
        return (episode(i, 0, correct=rng.random() < share, length=length, say=say[i % 10]) for i in range(evaluated))

    write_log(directory / "untrained/evaluate/episodes.jsonl", held_out(240, 0.2))
    for iteration in range(2):
        folder = directory / f"it{iteration:03d}"
        sampled = [
            episode(100_000 * (iteration + 1) + i, s, correct=rng.random() < 0.5, length=40, say=say[i % 10])
            for i in range(groups)
            for s in range(samples)
        ]
        write_log(folder / "generate/episodes.jsonl", iter(sampled))
        write_log(folder / "evaluate/episodes.jsonl", held_out(16, 0.8))
        rows = [
            {"instance": e.key.instance, "sample": e.key.sample, "seed": 1, "reward": e.score - 0.25, "failed": None,
             "terms": {"task": e.score, "tokens": -0.25}}
            for e in sampled
        ]  # fmt: skip
        for name, chosen in (
            ("rank/rewards.jsonl", rows),
            (
                "select/selected.jsonl",
                [{k: r[k] for k in ("instance", "sample", "seed", "reward")} for r in rows if r["sample"] == 0],
            ),
        ):
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_text("".join(json.dumps(row) + "\n" for row in chosen))
    ends = [("untrained", -1, 0.2, 240.0), ("iteration 0", 0, 0.7, 30.5), ("final", 1, 0.8, 16.0)]
    results = [
        {"label": label, "iteration": iteration, "n": evaluated, "score": score, "score_ci": [score - 0.1, score + 0.1],
         "tokens": tokens, "turns": 4.0, "seconds": 1.5, "seed": 0}
        for label, iteration, score, tokens in ends
    ]  # fmt: skip
    (directory / "results.json").write_text(json.dumps(results))
    return directory


def settings(random_model: Path | str) -> list[str]:
    """Overrides of the quickstart that make a run of seconds with a model that knows nothing."""
    return [
        f"model={random_model}",
        "iterations=1",
        "env.max_turns=3",
        "generate.instances=3",
        "generate.samples=2",
        "generate.max_tokens=8",
        "select.threshold=-5",
        "select.top_share=1",
        "evaluate.instances=4",
        "evaluate.max_tokens=8",
        "train.epochs=1",
        "train.batch_size=4",
        "train.micro_batch=4",
        "device=cpu",
    ]
