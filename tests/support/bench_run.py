"""A suite's directory for tests: real episodes of scripted teams, in the layout that ``optima bench`` leaves."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from optima_agents import EpisodeLog, Job, rollout
from optima_agents.results.intervals import bootstrap
from optima_agents.scripted import Oracle, Scripted
from optima_envs import Episode, ErrorInfo, Usage, scenario

# ends the script block, runs script, breaks lines for a JavaScript parser, turns the reading direction, is no Unicode
HOSTILE = (
    "</script><script>document.title='PWNED'</script><img src=x onerror=\"document.title='PWNED'\">"
    "<!-- \u2028 & &lt; \x00 \u202e txet sdrawkcab \ud800 ${1} $data `x` | **b**"
)
ENVS = ("twohop-asym", "arith-debate")
# label, block, share of questions the team knows, words of every turn
METHODS = (
    ("cot", "oracle", 0.62, 30),
    ("cot-half", "fair", 0.2, 24),
    ("self-consistency", "fair", 0.35, 120),
    ("dialogue", "fair", 0.4, 40),
    ("debate", "fair", 0.5, 90),
    ("reflexion", "feedback", 0.55, 70),
    ("dialogue (trained)", "fair", 0.9, 3),
)


def episodes(env: str, label: str, know: float, words: int, count: int, seed: int) -> list[Episode]:
    """One cell, played by the real engine: teams that know the answer to a share of the questions, with usage, a
    failure in forty and hostile text in ten."""
    played = scenario(env)
    rng = random.Random(f"{env}/{label}/{seed}")
    knows = [rng.random() < know for _ in range(count)]
    prose = ("let us see what we both have been told about this question and take it step by step then " * 8).split()

    def team(job: Job) -> Any:
        if knows[job.index] and words < 10:
            return Oracle(played.task[job.index].answers[0])
        line = " ".join(prose[:words]) + (HOSTILE if job.index % 10 == 3 else "")
        told = Oracle(played.task[job.index].answers[0])
        return told if knows[job.index] and rng.random() < 0.5 else Scripted([line, f"{line} <A> 7 </A>"])

    rows = []
    for place, episode in enumerate(rollout(played, team, episodes=count, seed=seed)):
        turns = tuple(
            replace(turn, usage=Usage(40 + 25 * n, turn.tokens, 25 * n)) for n, turn in enumerate(episode.turns)
        )
        error = ErrorInfo("timeout", f"gave up after 600 s {HOSTILE[:30]}") if place % 40 == 39 else None
        terms = {"task": episode.score, "tokens": -0.25} if label.endswith("(trained)") else {}
        score = 0.0 if error else episode.score
        right = episode.correct and error is None
        rows.append(replace(episode, turns=turns, error=error, score=score, correct=right, terms=terms, reward=score))
    return rows


def write_bench(directory: Path, *, envs: Sequence[str] = ENVS, count: int = 40, seeds: int = 2) -> Path:
    """A finished suite of all ``METHODS``; the last seed of ``debate`` in the last environment is missing."""
    gone = f"debate/{envs[-1]}/tiny/seed{seeds - 1}"
    results, rows = [], []
    for env in envs:
        for label, block, know, words in METHODS:
            model = "trained" if label.endswith("(trained)") else "tiny"
            named = {"method": label.split()[0], "label": label, "block": block, "env": env, "model": model}
            found: list[Episode] = []
            for seed in range(seeds):
                path = f"{named['method']}/{env}/{model}/seed{seed}"
                if path == gone:
                    continue
                cell = episodes(env, label, know, words, count, seed)
                numbers = {**named, "seed": seed, **means(cell)}
                write_cell(directory / "cells" / path, cell, numbers)
                results.append(numbers)
                found += cell
            done = sorted({episode.key.seed for episode in found})
            front = label in ("debate", "dialogue (trained)")
            if found:
                rows.append({**named, "seeds": done, **means(found), "pareto": front})
    summary = {"name": "demo", "created": "2026-01-02T03:04:05+00:00", "envs": list(envs), "rows": rows}
    summary |= {"paired": paired(rows), "matched": matched(envs), "curves": curves(envs)}
    summary |= {"versions": {env: f"optima/{env}-v0" for env in envs}, "plateaus": plateaus(envs)}
    summary |= {"not_applicable": [{"label": "solver-critic", "env": "twohop-asym", "reason": "is for debates"}]}
    summary |= {"missing": [{"cell": gone, "reason": "stopped by the user"}]}
    (directory / "summary.json").write_text(json.dumps(summary, indent=1))
    (directory / "results.json").write_text(json.dumps(results, indent=1))
    return directory


def write_cell(folder: Path, cell: Sequence[Episode], numbers: dict[str, Any]) -> None:
    with EpisodeLog(folder / "episodes.jsonl") as log:
        for episode in cell:
            log.append(episode)
    (folder / "cell.json").write_text(json.dumps(numbers))


def write_many(directory: Path, total: int) -> Path:
    """A suite of ``total`` episodes: those of a small one again and again, each on a question of its own."""
    write_bench(directory, count=40, seeds=1)
    logs = sorted((directory / "cells").glob("*/*/*/*/episodes.jsonl"))
    for number, log in enumerate(logs):
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        lines = []
        for place in range(total // len(logs) + (number < total % len(logs))):
            row = rows[place % len(rows)]
            named = {"id": f"q-{place}", "question": f"{row['instance']['question']} (number {place})"}
            row = {**row, "key": {**row["key"], "instance": f"q-{place}"}, "instance": {**row["instance"], **named}}
            lines.append(json.dumps(row) + "\n")
        log.write_text("".join(lines))
    return directory


def means(cell: Sequence[Episode]) -> dict[str, Any]:
    scores, tokens = [e.score for e in cell], [float(e.tokens) for e in cell]
    prompts = sum(t.usage.prompt_tokens for e in cell for t in e.turns if t.usage)
    cached = sum(t.usage.cached_tokens for e in cell for t in e.turns if t.usage)
    turns = fmean(len(e.turns) for e in cell)
    return {
        "n": len({e.key.instance for e in cell}), "score": fmean(scores), "score_ci": bootstrap(scores, resamples=500),
        "correct": fmean(e.correct for e in cell), "tokens": fmean(tokens), "calls": turns, "turns": turns,
        "tokens_ci": bootstrap(tokens, resamples=500), "prompt_tokens": prompts / len(cell), "seconds": 0.5,
        "cached_tokens": cached / len(cell), "cached_share": cached / max(1, prompts), "unparsed": 0.25,
        "failures": sum(e.error is not None for e in cell), "unanswered": 0.1,
    }  # fmt: skip


def paired(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    base = {row["env"]: row for row in rows if row["label"] == "dialogue"}
    return [
        {"env": row["env"], "model": row["model"], "a": "dialogue", "b": row["label"], "p": 0.0312, "p_holm": 0.2,
         "n": 40, "diff": row["score"] - base[row["env"]]["score"], "ci": [-0.1, 0.2]}
        for row in rows if row["label"] != "dialogue"
    ]  # fmt: skip


def matched(envs: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"env": env, "budget": budget, "rows": [
            {"label": label, "score": min(1.0, know * (0.2 + place / 5)), "ci": [0.1, 0.9], "n": 40}
            for label, _, know, words in METHODS if budget >= words]}
        for env in envs for place, budget in enumerate((16, 64, 256, 1024))
    ]  # fmt: skip


def curves(envs: Sequence[str]) -> list[dict[str, Any]]:
    xs = [1, 2, 4, 8, 16]
    scaling = [
        {"id": f"coverage-{env}", "title": "Coverage against samples", "env": env, "x_label": "samples",
         "y_label": "coverage", "log_x": True, "series": [
             {"label": label, "x": xs, "y": [1 - (1 - know) ** x for x in xs], "low": None, "high": None}
             for label, _, know, _ in METHODS]}
        for env in envs
    ]  # fmt: skip
    line = {"label": "isft", "x": [-1, 0, 1], "y": [0.3, 0.6, 0.9], "low": [0.2, 0.5, 0.8], "high": [0.4, 0.7, 1.0]}
    axes = {"env": envs[0], "x_label": "iteration", "y_label": "score", "log_x": False}
    return [*scaling, {"id": "iterations", "title": "Score over iterations", **axes, "series": [line]}]


def plateaus(envs: Sequence[str]) -> list[dict[str, Any]]:
    """Reached in the first environment, never in others."""
    told = {"of": "dialogue", "plateau": 0.8, "tokens": 900.0, "by": "dialogue (trained)"}
    never, reached = {"reached": None, "share": None}, {"reached": 36.0, "share": 0.04}
    return [{"env": env, **told, **(never if place else reached)} for place, env in enumerate(envs)]
