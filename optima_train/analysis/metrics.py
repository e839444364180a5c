"""Metrics: what every number in a table, a plot or a page is called, how it is written, and which way is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["higher", "lower", ""]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a row. ``title`` heads its column, ``format`` writes it (``str.format``'s), ``hint`` explains it;
    ``better`` says which way is (empty: neither). ``stage``: the stage of a run whose number it is, where that is not
    the evaluation. A number below ``least`` is shown as smaller than that. ``brief`` is how the edges of its interval
    are written on a terminal."""

    name: str
    title: str
    format: str
    better: Direction = ""
    hint: str = ""
    stage: str = ""
    least: float = 0.0
    brief: str = ""

    def show(self, value: Any) -> str:
        """The number as readers see it; a dash for none."""
        if value is None:
            return "-"
        if isinstance(value, bool):
            return "yes" if value else ""
        if not isinstance(value, (int, float)):
            return str(value)
        if 0 <= value < self.least:
            return f"<{self.least:g}"
        return format(value, self.format)

    def interval(self, edges: Sequence[float], *, brief: bool = False) -> str:
        """``[low, high]``."""
        return f"[{', '.join(format(edge, (brief and self.brief) or self.format) for edge in edges)}]"


_TABLE = (
    Metric("score", "score", ".3f", "higher", "mean over questions, from 0 to 1; what failed scores 0", "", 0.0, ".2f"),
    Metric("score_ratio", "x untrained", ".2f", "higher", "score over the untrained team's"),
    Metric("correct", "correct", ".3f", "higher", "share of dialogues whose answer counts as right"),
    Metric("tokens", "tokens", ".1f", "lower", "completion tokens of all turns or calls, per question"),
    Metric("sampled", "sampled for it", ",.0f", "lower", "tokens of dialogues and trees sampled so far, to train on"),
    Metric("token_ratio", "x untrained", ".3f", "lower", "tokens over the untrained team's"),
    Metric("turns", "turns", ".1f", "", "turns of a dialogue"),
    Metric("calls", "calls", ".1f", "lower", "completions asked for, per question"),
    Metric(
        "nll", "NLL", ".3f", "lower",
        "readability: how unlikely the untrained model finds what was said, in nats per token, of each dialogue's "
        "worst turn; a private code has a high one",
    ),
    Metric(
        "guesses", "guesses", ".3f", "lower",
        "share of final answers that did not follow yet from what their speaker knew and had been told",
    ),
    Metric("prompt_tokens", "prompt", ".0f", "lower", "prompt tokens of all calls, per question"),
    Metric("cached_tokens", "cached tokens", ".0f", "higher", "prompt tokens that the engine had in its cache"),
    Metric("cached_share", "cached", ".1%", "higher", "share of the prompt tokens that the engine had in its cache"),
    Metric("seconds", "sec", ".1f", "lower", "wall clock, while others ran beside it"),
    Metric("failures", "fail", "d", "lower", "dialogues that ended in an error; they score 0"),
    Metric("unanswered", "no answer", ".1%", "lower", "share of dialogues without a final answer"),
    Metric("unparsed", "unread", ".2f", "lower", "replies per question in which the method found nothing to read"),
    Metric("kept", "kept", "d", "", "questions whose best dialogue was trained on", "select"),
    Metric("dropped", "dropped", "d", "", "questions left out of training, by threshold or share", "select"),
    Metric("trees", "trees", "d", "", "trees of dialogues grown, one a question", "grow"),
    Metric(
        "sampled_share", "sampled", ".1%", "lower",
        "tokens really sampled, of those in all dialogues of the trees (beginnings are shared)", "grow",
    ),
    Metric("pairs", "pairs", "d", "", "preference pairs trained on", "pairs"),
    Metric("skipped", "skipped", "d", "lower", "rows too long to be trained on", "train"),
    Metric("n", "n", "d", "", "questions; intervals are over them"),
    Metric("episodes", "episodes", "d", "", "dialogues played"),
    Metric("seed", "seed", "d"),
    Metric("missing", "missing", "d", "lower", "runs that should be there and are not; in no mean"),
    Metric("pareto", "front", "", "", "on the Pareto front: no fair method scores higher with as few tokens"),
    Metric("diff", "difference", "+.3f", "higher", "score minus that of the method it is held against"),
    Metric("p", "p", ".4f", "", "two-sided, from the paired bootstrap", "", 0.0001),
    Metric("p_holm", "p (Holm)", ".4f", "", "p, corrected for the number of tests in the environment", "", 0.0001),
    Metric("budget", "budget", "d", "", "completion tokens an episode may cost"),
    Metric("plateau", "its score", ".3f", "", "the highest score of self-consistency"),
    Metric("reached", "tokens to reach it", ".0f", "lower"),
    Metric("share", "share of its tokens", ".1%", "lower"),
)  # fmt: skip
METRICS = {metric.name: metric for metric in _TABLE}


def metric(name: str) -> Metric:
    """The metric of that name; one that nobody described is written with three digits."""
    return METRICS.get(name, Metric(name, name.replace("_", " "), ".3g"))


def of_stages() -> dict[str, tuple[str, ...]]:
    """The numbers of stages that rows of results hold, by stage."""
    stages = dict.fromkeys(item.stage for item in _TABLE if item.stage)
    return {stage: tuple(item.name for item in _TABLE if item.stage == stage) for stage in stages}
