"""Our worker in TRL's asynchronous socket: its own queue dataset, batcher and collator take what we hand on."""

from __future__ import annotations

import inspect
import queue
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import support.letters  # noqa: F401 - registers a reward term
from support.growing import Writer, world
from support.policy_rows import row

from optima_agents import LLMPolicy, Sampling
from optima_agents.backends.fake import FakeBackend
from optima_envs.rewards import Reward
from optima_train.config.online_settings import GrpoConfig
from optima_train.online.async_worker import TeamRolloutWorker, by_advantage
from optima_train.run.stage import StageError

TEXTS = ("I know that the mentor is Zed", "<A> Zed </A>", "no idea", "eeeee aaaa")


def worker(**options: Any) -> TeamRolloutWorker:
    config = GrpoConfig.model_validate(options.pop("config", {}))
    reward = Reward({"letters": 1.0, "tokens": 0.3})
    scenario = world(max_turns=4)
    return TeamRolloutWorker(
        scenario, options.pop("policies", Writer(TEXTS)), reward, config, indices=range(5), **{"samples": 4, **options}
    )


@pytest.fixture
def running() -> Iterator[Any]:
    started: list[TeamRolloutWorker] = []

    def start(**options: Any) -> TeamRolloutWorker:
        made = worker(**options)
        started.append(made)
        made.start()
        return made

    yield start
    for made in started:
        made.stop()


def test_it_has_all_that_the_protocol_asks_for():
    from trl.experimental.async_grpo.async_grpo_trainer import RolloutWorkerProtocol

    made = worker()
    for name in ("rollout_buffer", "metrics_queue"):
        assert name in RolloutWorkerProtocol.__annotations__
        assert isinstance(getattr(made, name), queue.Queue)
    asked = {name: member for name, member in vars(RolloutWorkerProtocol).items() if inspect.isfunction(member)}
    asked = {name: member for name, member in asked.items() if not name.startswith("_")}
    assert set(asked) == {"start", "stop", "update_model_version", "check_health"}
    for name, member in asked.items():
        ours = inspect.signature(getattr(TeamRolloutWorker, name)).parameters
        assert list(ours) == list(inspect.signature(member).parameters), name


def test_samples_are_what_trls_own_pipeline_takes(running):
    """A trainer without a model: TRL's dataset, batcher and collator, which read every field there is."""
    from trl.experimental.async_grpo.async_grpo_trainer import (
        DataCollatorForRollout,
        FixedCountBatcher,
        RolloutQueueDataset,
    )

    made, metrics = running(), defaultdict(list)
    dataset = RolloutQueueDataset(made.rollout_buffer, lambda: 0, made.check_health, 60.0, metrics, poll_interval_s=1.0)
    collator = DataCollatorForRollout(pad_token_id=0, metrics=metrics)
    batches = iter(FixedCountBatcher(dataset, 1, 6))
    for _ in range(3):
        rows = next(batches)
        batch = collator([rows])
        samples = [sample for one in rows for sample in one.samples]
        assert len(samples) == 6
        trained = sum(int(sample["completion_mask"].sum()) for sample in samples)
        assert int((batch["token_index"] >= 0).sum()) == trained
        assert all(sample["advantage"] != 0 for sample in samples)
    assert metrics["reward"]
    told = made.metrics_queue.get(timeout=60)
    tokens, dialogues = told["rollout/tokens"]
    assert dialogues == 4
    assert tokens > 0


def test_a_dialogue_gives_a_sample_for_each_agent_with_its_own_tokens_trained(running):
    made = running()
    samples = [made.rollout_buffer.get(timeout=60) for _ in range(8)]
    first = [sample for sample in samples if sample.group_id == samples[0].group_id]
    assert len(first) >= 4
    for sample in first:
        assert sample.input_ids.dtype == sample.completion_mask.dtype == np.int64
        assert sample.input_ids.shape == sample.completion_mask.shape == sample.old_log_probs.shape
        own = sample.completion_mask == 1
        assert own.any()
        assert not own.all()
        assert np.allclose(sample.old_log_probs[own], -0.5)
        assert not sample.old_log_probs[~own].any()
        text = "".join(chr(token) for token in sample.input_ids[own] if token)
        spoken = [m["content"] for m in sample.completion if m["role"] == "assistant"]
        assert text in "".join(spoken)
        assert sample.prompt[0]["role"] == "system"


def test_versions_are_those_that_dialogues_began_with(running):
    made = worker()
    made.update_model_version(7)
    made.start()
    try:
        assert made.rollout_buffer.get(timeout=60).model_version == 7
        made.update_model_version(8)
        versions = {made.rollout_buffer.get(timeout=60).model_version for _ in range(200)}
        assert max(versions) == 8
    finally:
        made.stop()


def test_a_full_buffer_holds_rollouts_up_and_is_no_illness(running):
    made = running(most_waiting=3)
    deadline = time.monotonic() + 60
    while not made.rollout_buffer.full() and time.monotonic() < deadline:
        made.check_health(60)
    made.check_health(0.0)
    assert made.rollout_buffer.qsize() == 3


def test_death_is_told_with_its_reason(running):
    class Broken:
        async def act(self, view: Any, *, seed: int) -> Any:
            from optima_agents.backends.base import EngineDead

            raise EngineDead("the server is gone")

    made = running(policies=Broken())
    assert made._thread is not None
    made._thread.join(60)
    with pytest.raises(StageError, match="EngineDead: the server is gone"):
        made.check_health(1e9)


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        (Sampling(0.7), "temperature 1"),
        (Sampling(1.0, 0.9), "top_p 1"),
        (Sampling(1.0, 1.0, logprobs=False), "with logprobs"),
    ],
)
def test_biased_sampling_is_refused(sampling: Sampling, message: str):
    with pytest.raises(ValueError, match=message):
        worker(policies=LLMPolicy(FakeBackend("hi"), sampling))
    with pytest.raises(ValueError, match="tree needs trees"):
        worker(config={"estimator": "tree"})


def test_turns_of_different_advantage_become_samples_of_their_own():
    whole = row("Alice", [("heard", 3), ("said", 2), ("heard", 2), ("said", 1)], [0.5, -1.0], seed=1,
                logprobs=[-0.1, -0.2, -0.3])  # fmt: skip
    first, second = by_advantage(whole)
    assert (list(first.input_ids), list(first.completion_mask)) == (whole.input_ids[:5], [0, 0, 0, 1, 1])
    assert (first.advantages, first.logprobs) == ([0.5], [-0.1, -0.2])
    assert (list(second.input_ids), list(second.completion_mask)) == (whole.input_ids, [0, 0, 0, 0, 0, 0, 0, 1])
    assert (second.advantages, second.logprobs) == ([-1.0], [-0.3])
    alike = whole.model_copy(update={"advantages": [0.5, 0.5]})
    assert list(by_advantage(alike)) == [alike]
