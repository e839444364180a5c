"""All dialogues of a suite for its page; when they are too many, whole questions are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from optima_train.report.dialogues import MOST, Dialogues, Packer

from .directory import Bench, refuse_mixed

Question = tuple[str, str]  # environment, instance id


def pack(bench: Bench, *, most: int = MOST) -> Dialogues:
    """Read every log once to check and count it, then once more to pack; memory holds what is packed, not what is
    read. With more than ``most`` episodes whole questions are left out, so that all methods keep the same ones.
    An origin is [label, environment, model, seed, block].

    Raises ValueError for an episode that is none, naming file and line, and for mixed versions of an environment.
    """
    counts = survey(bench)
    chosen = choose(counts, most)
    packer = Packer()
    for cell in bench.cells:
        packer.origin(cell.label, cell.env, cell.model, cell.seed, cell.block)
        for episode in cell.episodes():
            if (cell.env, episode.key.instance) in chosen:
                packer.add(episode, (cell.env,))
    return packer.finish(sum(counts.values()))


def survey(bench: Bench) -> Counter[Question]:
    """Episodes per question, in the order in which questions were first met."""
    counts: Counter[Question] = Counter()

    def versions() -> Iterator[tuple[str, str, str]]:
        for cell in bench.cells:
            for episode in cell.episodes():
                counts[cell.env, episode.key.instance] += 1
                yield cell.env, episode.env, cell.path

    refuse_mixed(versions())
    return counts


def choose(counts: Mapping[Question, int], most: int) -> set[Question]:
    """Questions with at most ``most`` episodes in all, the same number of each environment as far as they last."""
    rank: Counter[str] = Counter()
    order = []
    for question in counts:
        order.append((rank[question[0]], question))
        rank[question[0]] += 1
    chosen, left = set(), most
    for _, question in sorted(order, key=lambda entry: entry[0]):
        if counts[question] > left:
            break
        chosen.add(question)
        left -= counts[question]
    return chosen
