"""Scripted dialogues that every bridge must play alike: what is said depends on what was heard, and on nothing else."""

from __future__ import annotations

import random
from dataclasses import replace

from optima_agents import Act, rollout
from optima_envs import Episode, Scenario, View

WORDS = "the mentor of Zed is Noor but I am not sure then".split()


def line(agent: str, question: str, dialogue: tuple, answer_format: str = "tag") -> str:
    """What ``agent`` says: a few words, sometimes an answer; the same for the same dialogue."""
    heard = [(speaker, text) for speaker, text in dialogue]
    rng = random.Random(f"{agent}|{question}|{heard}")
    words = " ".join(rng.choices(WORDS, k=rng.randint(1, 6)))
    answers = {"tag": "<A> {} </A>", "boxed": "\\boxed{{{}}}"}
    form = answers.get(answer_format, answers["tag"])
    return words + (" " + form.format(rng.choice(["Noor", "Zed", "7"])) if rng.random() < 0.4 else "")


class Scripted:
    """The lines as a policy."""

    async def act(self, view: View, *, seed: int) -> Act:
        return Act(line(view.agent, view.question, view.dialogue, view.answer_format))


def native(scenario: Scenario, count: int = 100) -> list[Episode]:
    """The dialogues as the rollout engine plays them."""
    return [same(episode) for episode in rollout(scenario, Scripted(), episodes=count)]


def same(episode: Episode) -> Episode:
    """The record without what differs from one playing to the next."""
    return replace(episode, seconds=0.0)
