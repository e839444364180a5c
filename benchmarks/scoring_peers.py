"""Who reads stated answers rightly: our metrics beside math-verify alone, lm-eval's filters and Inspect's scorers.

    python -m benchmarks.scoring_peers [--cases FILE] [--json FILE] [--time 1000]

Each answer is scored by every peer that is installed (pip install lm-eval inspect-ai==0.3.285; another one is
skipped with a line), and counted where the verdict is the expected one. ``--cases``: a JSON list of objects with
``input`` {metric, answer, golds}, ``expected`` and ``kind``, instead of the answers in scoring_answers.txt.
``--time N``: only how long ``math`` takes for N ordinary answers.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import json
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from optima_envs.scoring.maths.mathpool import shared
from optima_envs.scoring.metrics import METRICS

ANSWERS = Path(__file__).with_name("scoring_answers.txt")
LIMIT = 3  # seconds a peer has for one comparison, as ours has

# whether an answer is right for a gold (a label and a text for choices); None: the peer has no scorer of that kind
Peer = Callable[[str, str, Sequence[str]], bool | None]


class Case(NamedTuple):
    """One answer and what it is worth."""

    kind: str
    metric: str
    answer: str
    golds: tuple[str, ...]
    right: bool


def built_in() -> list[Case]:
    """The answers of our own beside this file."""
    cases: list[Case] = []
    metric = kind = ""
    golds: tuple[str, ...] = ()
    for line in ANSWERS.read_text(encoding="utf-8").splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "#":
            head, _, gold = rest.partition(" | ")
            (metric, kind), golds = head.split(": ", 1), tuple(gold.split("; "))
        elif mark in ("+", "-"):
            cases.append(Case(kind, metric, rest, golds, mark == "+"))
    return cases


def read_cases(path: Path) -> list[Case]:
    """The scored cases of a file, other ones (of parsing, say) left out. Raises ValueError naming what is wrong."""
    found = []
    for number, row in enumerate(json.loads(path.read_text(encoding="utf-8")), 1):
        try:
            given = row["input"]
            if "metric" in given:
                golds, right = tuple(given["golds"]), row["expected"] >= 1
                found.append(Case(str(row["kind"]), given["metric"], given["answer"], golds, right))
        except (KeyError, TypeError) as err:
            raise ValueError(f"{path}, case {number}: {type(err).__name__} {err}; see --help for its fields") from None
    return found


def ours(metric: str, answer: str, golds: Sequence[str]) -> bool:
    """Our metric of that name."""
    return METRICS[metric].correct(METRICS[metric].score(answer, golds))


def math_verify_alone() -> Peer:
    """math-verify as its page shows it: parse both, verify."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse, verify

    def peer(metric: str, answer: str, golds: Sequence[str]) -> bool | None:
        if metric not in ("math", "number", "choice"):
            return None
        if metric == "choice":
            config: list[Any] = [StringExtractionConfig(strings=tuple("ABCDE"))]
        else:
            config = [LatexExtractionConfig(), ExprExtractionConfig()]
        mark = "$" if metric == "math" else ""
        gold, said = (parse(f"{mark}{text}{mark}", config, parsing_timeout=LIMIT) for text in (golds[0], answer))
        return bool(verify(gold, said, timeout_seconds=LIMIT))

    return peer


def lm_eval_filters() -> Peer:
    """The filters of lm-eval's tasks: gsm8k (flexible), mmlu (flexible), and the comparison of hendrycks_math."""
    # by name: no extra of ours installs it
    filters = importlib.import_module("lm_eval.filters.extraction")
    is_equiv = importlib.import_module("lm_eval.tasks.hendrycks_math.utils").is_equiv
    number = filters.RegexFilter(regex_pattern=r"(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1)
    letter = filters.MultiChoiceRegexFilter(
        regex_pattern=r"(\([A-Z]\))", ignore_case=True, ignore_punctuation=True, group_select=0
    )

    def plain(text: str) -> str:
        return re.sub(r"\.$", "", re.sub(r"[,$]", "", text)).lower()

    def peer(metric: str, answer: str, golds: Sequence[str]) -> bool | None:
        if metric == "number":
            return plain(next(iter(number.apply([[answer]], [{}])))[0]) == plain(golds[0])
        if metric == "choice":
            options = [golds[-1] if label == golds[0] else f"another {label}" for label in "ABCDE"]
            return next(iter(letter.apply([[answer]], [{"choices": options}])))[0] == f"({golds[0]})"
        return bool(is_equiv(answer, golds[0])) if metric == "math" else None

    return peer


def inspect_scorers() -> Peer:
    """Inspect's own scorers, given the answer as the completion."""
    from inspect_ai import scorer
    from inspect_ai.model import ModelOutput
    from inspect_ai.solver import TaskState

    scorers = {
        "number": scorer.match(numeric=True),
        "choice": scorer.answer("letter"),
        "math": scorer.math(),
        "em": scorer.exact(),
    }

    def peer(metric: str, answer: str, golds: Sequence[str]) -> bool | None:
        if metric not in scorers:
            return None
        said = f"ANSWER: {answer}" if metric == "choice" else answer
        output = ModelOutput.from_content("mockllm/model", said)
        state = TaskState("mockllm/model", 0, 0, "", [], output=output)  # type: ignore[arg-type]
        score: Any = asyncio.run(scorers[metric](state, scorer.Target(golds[0])))  # type: ignore[arg-type]
        return score.value == scorer.CORRECT

    return peer


PEERS: dict[str, tuple[str, Callable[[], Peer]]] = {
    "math-verify": ("math_verify", math_verify_alone),
    "lm-eval": ("lm_eval", lm_eval_filters),
    "Inspect": ("inspect_ai", inspect_scorers),
}


def contenders() -> tuple[dict[str, Peer], list[str]]:
    """(those that can be asked, a line for each that cannot)."""
    found: dict[str, Peer] = {"optima": ours}
    missing: list[str] = []
    for name, (module, make) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            missing.append(f"{name} is not installed, so it was not asked: pip install {module.replace('_', '-')}")
            continue
        try:
            found[f"{name} {version(module)}"] = make()
        except (ImportError, AttributeError) as err:
            missing.append(f"{name} {version(module)} cannot be used here ({str(err)[:80]}), so it was not asked")
    return found, missing


def verdicts(cases: Sequence[Case], peer: Peer) -> list[bool | None]:
    """For each case whether the peer's verdict is the expected one; an exception is a wrong verdict."""
    told: list[bool | None] = []
    for case in cases:
        try:
            said = peer(case.metric, case.answer, case.golds)
            told.append(None if said is None else said == case.right)
        except Exception:
            told.append(False)
    return told


def ordinary(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Answers and golds as benchmarks hold them: numbers, fractions, roots, polynomials, pairs, units."""
    rng, made = random.Random(seed), []
    for _ in range(count):
        a, b = rng.randint(2, 40), rng.randint(2, 40)
        forms = [
            (str(a * b), str(a * b)),
            (f"\\frac{{{a}}}{{{b}}}", f"\\dfrac{{{a}}}{{{b}}}"),
            (f"{a}\\sqrt{{{b}}}", f"\\sqrt{{{a * a * b}}}"),
            (f"x^2+{a}x+{b}", f"{b}+{a}x+x^2"),
            (f"({a},{b})", f"\\left({b}, {a}\\right)"),
            (f"[{a},\\infty)", f"({a}, \\infty)"),
            (f"{a * 100}", f"\\${a * 100}"),
            (f"{a}\\text{{ cm}}", str(a)),
            (f"{a}\\pi", f"{b}\\pi"),
            (f"{a}^\\circ", str(b)),
            (f"{a}+{b}i", f"{b}i+{a}"),
            (f"{a}, {b}", f"{b},{a}"),
        ]
        made.append(rng.choice(forms))
    return made


def seconds(count: int) -> tuple[float, float]:
    """(seconds on the clock, of processor time) that ``math`` takes for so many ordinary answers, one after the other;
    the start of its worker included, whose time counts when it has ended."""
    pairs, start = ordinary(count), time.perf_counter()
    for answer, gold in pairs:
        METRICS["math"].score(answer, [gold])
    spent = time.perf_counter() - start
    shared().close()
    return spent, sum(os.times()[:4])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", type=Path, help="a JSON list of cases instead of the built-in ones")
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    parser.add_argument("--time", type=int, metavar="N", help="only time N ordinary maths answers")
    args = parser.parse_args()
    console = Console()
    if args.time is not None:
        clock, processor = seconds(args.time)
        console.print(
            f"{args.time} ordinary answers: {clock:.1f} s, {processor:.1f} of processor time", highlight=False
        )
        if args.json:
            row = {"answers": args.time, "seconds": clock, "processor_seconds": processor}
            args.json.write_text(json.dumps(row) + "\n", encoding="utf-8")
        return 0
    cases = read_cases(args.cases) if args.cases else built_in()
    peers, missing = contenders()
    with silence():  # peers tell of every text they cannot read
        told = {name: verdicts(cases, peer) for name, peer in peers.items()}
    console.print(table(cases, told))
    for line in missing:
        console.print(line, highlight=False)
    if args.json:
        args.json.write_text(json.dumps(counts(cases, told), indent=1) + "\n", encoding="utf-8")
    return 0


@contextmanager
def silence() -> Iterator[None]:
    """No log of any module while it lasts."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def counts(cases: Sequence[Case], told: dict[str, list[bool | None]]) -> list[dict[str, Any]]:
    """A row for each metric and kind, and one for all: how often each peer was right, of how often it was asked."""
    rows = []
    for metric, kind in [*dict.fromkeys((case.metric, case.kind) for case in cases), ("all", "")]:
        places = [at for at, case in enumerate(cases) if metric == "all" or (case.metric, case.kind) == (metric, kind)]
        asked = {name: [known for at in places if (known := verdict[at]) is not None] for name, verdict in told.items()}
        peers = {name: {"right": sum(known), "asked": len(known)} for name, known in asked.items()}
        rows.append({"metric": metric, "kind": kind, "answers": len(places), "peers": peers})
    return rows


def table(cases: Sequence[Case], told: dict[str, list[bool | None]]) -> Table:
    """The counts, a row each."""
    shown = Table("metric", "kind", "answers", *told)
    for row in counts(cases, told):
        cells = [f"{peer['right']}/{peer['asked']}" if peer["asked"] else "-" for peer in row["peers"].values()]
        shown.add_row(row["metric"], row["kind"], str(row["answers"]), *cells)
    return shown


if __name__ == "__main__":
    raise SystemExit(main())
