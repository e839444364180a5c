"""Readability against a straightforward forward pass, and the bound on 1 / R_loss."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

import optima_envs
from optima_agents import make_backend
from optima_agents.prompts import messages
from optima_envs.records import Episode, EpisodeKey, Outcome, Turn
from optima_train.run.stage import StageError
from optima_train.stages.readability import NO_TASK, Readability


@pytest.fixture(scope="module")
def scenario():
    return optima_envs.scenario("twohop-asym", split="train")


def dialogue(scenario, *texts: str) -> Episode:
    inst = scenario.task[3]
    turns = tuple(Turn(scenario.rules.agents[k % 2], text) for k, text in enumerate(texts))
    return Episode(EpisodeKey(inst.id), scenario.id, inst, turns, Outcome("max_turns"))


@pytest.mark.parametrize("condition", ["task", "none"])
def test_loss_is_the_worst_turns_mean_nll_under_the_base(random_model: Path, scenario, condition) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    backend: Any = make_backend(f"hf:{random_model}", device="cpu")
    model = AutoModelForCausalLM.from_pretrained(random_model)
    episode = dialogue(scenario, "The colour is plum.", "", "Thanks for that, it is <A> plum </A>")
    expected = []
    for turn in episode.turns:
        completion = backend.encode(turn.text)
        if not completion:
            continue
        view = scenario.rules.view(episode.instance, (), turn.agent)
        prompt = backend.render(messages(view) if condition == "task" else NO_TASK)
        with torch.no_grad():
            logits = model(torch.tensor([prompt + completion])).logits[0].double()
        chosen = logits.log_softmax(-1)[len(prompt) - 1 : -1].gather(1, torch.tensor(completion)[:, None])
        expected.append(-chosen.mean().item())
    term = Readability(backend, scenario.rules, cap=10.0, condition=condition)

    async def both() -> tuple[float | None, list[float]]:
        return await term.loss(episode), await term([episode, dialogue(scenario)])

    loss, values = asyncio.run(both())
    assert loss == pytest.approx(max(expected), abs=1e-4)
    assert values == pytest.approx([1 / max(expected), 0.0], abs=1e-4)


class Sure:
    """A scorer that gives every token the same log-probability, and counts what it is asked."""

    def __init__(self, logprob: float) -> None:
        self.logprob = logprob
        self.asked = 0

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def render(self, said) -> list[int]:
        return [0]

    async def complete(self, request):
        raise NotImplementedError

    async def aclose(self) -> None: ...

    async def logprobs(self, prompt_ids, completion_ids) -> list[float]:
        self.asked += 1
        return [self.logprob] * len(completion_ids)


@pytest.mark.parametrize("logprob", [0.0, -1e-12, -0.5, -4.0])
def test_the_term_is_bounded_and_each_distinct_turn_scored_once(scenario, logprob: float) -> None:
    scorer = Sure(logprob)
    term = Readability(scorer, scenario.rules, cap=1.5)
    group = [dialogue(scenario, "a", "b", "a"), dialogue(scenario, "a", "b")]
    values = asyncio.run(_values(term, group))
    assert values == pytest.approx([min(1.5, -1 / logprob if logprob else 1.5)] * 2)
    assert scorer.asked == 2


async def _values(term: Readability, group: list[Episode]) -> list[float]:
    return await term(group)


def test_nan_from_the_scorer_and_a_backend_that_cannot_score_are_errors(scenario) -> None:
    with pytest.raises(StageError, match="probability 0 or NaN"):
        asyncio.run(_values(Readability(Sure(float("nan")), scenario.rules, cap=1.0), [dialogue(scenario, "a")]))

    class Mute:
        async def complete(self, request): ...
        async def aclose(self) -> None: ...

    with pytest.raises(StageError, match="Mute cannot score text"):
        Readability(cast("Any", Mute()), scenario.rules, cap=1.0)
