"""Why the reward may fall while the score rises: what it adds up besides the score, in a run's own numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Means = Mapping[str, Sequence[tuple[int, float]]]


def reward_note(weights: Mapping[str, float], means: Means) -> str:
    """Two or three sentences; empty where the reward is the score alone.

    ``weights``: ``reward.weights``; ``means`` of each term, and of ``total``, by iteration (``data.terms``).
    """
    counted = {name: weight for name, weight in weights.items() if weight}
    if not counted.keys() - {"task"}:
        return ""
    told = " + ".join(f"{weight:g} x {name}" for name, weight in counted.items())
    reasons = {
        "tokens": "tokens are priced against the longest dialogue on the same question, whatever the answer",
        "readability": "brief talk reads worse to the untrained model",
    }
    why = [reason for name, reason in reasons.items() if name in counted]
    note = f"The reward is {told}, not the score alone; it may fall while the score rises"
    note += f": {', and '.join(why)}." if why else "."
    task, total = _ends(means, "task"), _ends(means, "total")
    if task is None or total is None or task[1] <= task[0] or total[1] >= total[0]:
        return note
    moved = {name: ends for name in counted if (ends := _ends(means, name)) is not None}
    shares = ", ".join(f"{name} {counted[name] * (end - start):+.2f}" for name, (start, end) in moved.items())
    (score, later), (reward, lower) = task, total
    return (
        f"{note} Here it fell from {reward:.2f} to {lower:.2f} while the score of the sampled dialogues rose from "
        f"{score:.2f} to {later:.2f}: {shares}."
    )


def _ends(means: Means, name: str) -> tuple[float, float] | None:
    """A term's mean in the first and in the last iteration that has one."""
    points = sorted(means.get(name, ()))
    return (points[0][1], points[-1][1]) if len(points) > 1 else None
