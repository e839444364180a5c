"""The method whole, on a model that knows nothing: rows, credit, updates; trees, adapters, several processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import support.letters  # noqa: F401 - registers a reward term

from optima_agents import EpisodeLog
from optima_train.config.loading import load
from optima_train.loop.experiment import Experiment
from optima_train.run.files import read_json
from optima_train.run.layout import RunDirectory, StageDirectory
from optima_train.run.records import PolicyRow, RankedRow, read_records

SMALL = """iterations=2 generate.formats=null env.max_turns=3
    generate.instances=3 generate.samples=3 generate.max_tokens=8
    evaluate.instances=2 evaluate.max_tokens=8 evaluate.nll=false reward.weights.readability=0 device=cpu
    reward.weights.letters=1
    processes=inline grpo.micro_batch=4 grpo.updates=2 grpo.learning_rate=1e-3""".split()
Run = Callable[..., RunDirectory]


@pytest.fixture
def run(random_model: Path, tmp_path: Path) -> Run:
    def make(*overrides: str, name: str = "run", model: str | Path = random_model) -> RunDirectory:
        config = load("twohop-grpo", [f"model={model}", *SMALL, *overrides])
        Experiment(config, tmp_path / name).run()
        return RunDirectory(tmp_path / name)

    return make


def numbers(stage: StageDirectory) -> dict[str, Any]:
    return read_json(stage.marker)["numbers"]


def weights(run: RunDirectory, iteration: int) -> bytes:
    return (run.of_iteration(iteration, "train").model / "model.safetensors").read_bytes()


def test_rows_hold_exactly_what_was_sampled_and_each_turns_advantage(run: Run):
    done = run("iterations=1")
    stages = {name: done.of_iteration(0, name) for name in ("generate", "rank", "advantages", "train")}
    episodes = {e.key: e for e in EpisodeLog.iterate(stages["generate"].episodes)}
    reward = {(r.instance, r.sample): r.reward for r in read_records(stages["rank"].rewards, RankedRow)}
    rows = list(read_records(stages["advantages"].policy_rows, PolicyRow))
    told = numbers(stages["advantages"])
    assert len(rows) == told["rows"] > 0
    for row in rows:
        episode = next(e for e in episodes.values() if (e.instance.id, e.key.sample) == (row.instance, row.sample))
        own = [token for token, trained in zip(row.input_ids, row.completion_mask, strict=True) if trained]
        said = [episode.turns[number] for number in row.turns]
        assert own == [token for turn in said for token in turn.ids or ()]
        assert row.logprobs == [value for turn in said for value in turn.logprobs or ()]
        assert {turn.agent for turn in said} == {row.agent}
        group = [reward[row.instance, sample] or 0.0 for sample in range(3)]
        mean = sum(group) / 3
        spread = (sum((r - mean) ** 2 for r in group) / 3) ** 0.5
        expected = ((reward[row.instance, row.sample] or 0.0) - mean) / (spread + 1e-4)
        # agents speak once or twice, so in the pool of rows each dialogue counts as often as it has speakers
        if all(len({turn.agent for turn in e.turns}) == 2 for e in episodes.values()):
            assert row.advantages == pytest.approx([expected] * len(said), abs=1e-6)
    learned = numbers(stages["train"])
    assert learned["steps"] == 2
    assert learned["largest_log_ratio"] <= 1e-3, "the trainer gives what was sampled the engine's probabilities"
    assert learned["outside_band"] == learned["capped"] == 0
    assert (learned["staleness_mean"], learned["staleness_max"]) == (0.5, 1)


def test_the_same_seed_gives_the_same_weights_and_iterations_go_on(run: Run):
    one, two = run("dtype=float64", name="one"), run("dtype=float64", name="two")
    assert [weights(one, k) for k in (0, 1)] == [weights(two, k) for k in (0, 1)]
    assert weights(one, 0) != weights(one, 1)
    files = {path.name for path in one.of_iteration(1, "train").path.iterdir()}
    assert files == {"DONE.json", "model", "optimizer.safetensors"}


def test_a_learning_rate_of_zero_leaves_the_same_bytes(run: Run, random_model: Path):
    from safetensors.torch import load_file

    still = run("grpo.learning_rate=0")
    assert weights(still, 0) == weights(still, 1)
    before = load_file(random_model / "model.safetensors")
    after = load_file(still.of_iteration(1, "train").model / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(before[name].equal(after[name]) for name in before)


def test_moments_are_carried_from_iteration_to_iteration(run: Run):
    carried, fresh = run("dtype=float64"), run("dtype=float64", "grpo.carry_optimizer=false", name="fresh")
    assert weights(carried, 0) == weights(fresh, 0)
    assert weights(carried, 1) != weights(fresh, 1)
    assert not fresh.of_iteration(1, "train").optimizer.exists()


def test_groups_without_spread_are_counted_and_the_model_stays(run: Run):
    still = run(
        "iterations=1", "reward.weights.letters=0", "reward.weights.tokens=0"
    )  # a model that knows nothing is never right
    told, learned = (numbers(still.of_iteration(0, name)) for name in ("advantages", "train"))
    assert told["groups"] == told["groups_without_spread"] == 3
    assert told["rows"] == 0
    assert learned == {"rows": 0, "skipped": "no rows: no group of dialogues differed in reward"}
    assert json.loads(still.results.read_text())[-1]["skipped"] == learned["skipped"]


@pytest.mark.parametrize("estimator", ["agent", "agent-turn", "rae"])
def test_estimators_run_with_rewards_of_the_agents_own(run: Run, estimator: str):
    done = run("iterations=1", f"grpo.estimator={estimator}", "grpo.agent_weights={letters-own: 0.5}")
    told = numbers(done.of_iteration(0, "advantages"))
    assert told["rows"] > 0
    rows = list(read_records(done.of_iteration(0, "advantages").policy_rows, PolicyRow))
    by_dialogue: dict[tuple[str, int], set[float]] = {}
    for row in rows:
        by_dialogue.setdefault((row.instance, row.sample), set()).update(row.advantages)
    assert any(len(found) > 1 for found in by_dialogue.values()), "agents of one dialogue differ"


def test_a_running_baseline_goes_on_from_iteration_to_iteration(run: Run):
    done = run("grpo.estimator=rae", "generate.samples=1")
    first, second = (read_json(done.of_iteration(k, "advantages").memory) for k in (0, 1))
    assert set(first) == set(second) == {"Alice", "Bob"}
    assert first != second
    assert abs(second["Alice"]) > abs(first["Alice"]), "from 0 towards the mean reward"


def test_trees_give_credit_among_siblings(run: Run):
    settings = ("grpo.estimator=tree", "tree.instances=3", "tree.rounds=2", "tree.rollouts=3", "tree.max_tokens=8")
    done = run("iterations=1", *settings)
    told, grown = numbers(done.of_iteration(0, "advantages")), numbers(done.of_iteration(0, "grow"))
    rows = list(read_records(done.of_iteration(0, "advantages").policy_rows, PolicyRow))
    assert told["groups"] >= 3
    nodes = sum(len(row.turns) for row in rows)
    left_out = sum(told["dropped_turns"].values())
    assert 0 < nodes <= grown["nodes"] == nodes + left_out, "every node once"
    assert numbers(done.of_iteration(0, "train"))["largest_log_ratio"] <= 1e-3
    with_agents = run("iterations=1", *settings, "grpo.agent_weights={letters-own: 1.0}", name="own")
    others = read_records(with_agents.of_iteration(0, "advantages").policy_rows, PolicyRow)
    assert [row.input_ids for row in others] == [row.input_ids for row in rows]
    assert [row.advantages for row in others] != [row.advantages for row in rows]


def test_hinted_dialogues_are_trained_under_plain_prompts_without_the_engines_probabilities(run: Run):
    done = run("iterations=1", "generate.formats=[plain, arrows]", "generate.samples=6")
    told, learned = (numbers(done.of_iteration(0, name)) for name in ("advantages", "train"))
    assert 0 < told["rows_without_logprobs"] < told["rows"]
    assert learned["compared_tokens"] < told["trained_tokens"]
    assert learned["largest_log_ratio"] <= 1e-3


@pytest.mark.parametrize("merge", ["true", "false"])
def test_adapters(run: Run, merge: str):
    done = run(f"train.lora={{rank: 2, alpha: 4, merge: {merge}}}", "grpo.beta=0.05", "grpo.reference=previous")
    learned = numbers(done.of_iteration(1, "train"))
    assert learned["trained_parameters"] < 20_000
    assert learned["kl"] >= 0
    assert learned["largest_log_ratio"] <= 1e-3
    stage = done.of_iteration(1, "train")
    assert (stage.adapter if merge == "false" else stage.model).is_dir()


def test_a_kl_term_holds_the_model_near_its_reference(run: Run):
    free, held = run("grpo.epochs=6"), run("grpo.epochs=6", "grpo.beta=1.0", name="held")
    assert numbers(held.of_iteration(1, "train"))["kl"] > 0
    from safetensors.torch import load_file

    moved = []
    for done in (free, held):
        first = load_file(done.of_iteration(1, "train").model / "model.safetensors")
        moved.append(sum(float(value.norm()) for value in first.values()))
    assert moved[0] != moved[1]


@pytest.mark.slow
def test_two_processes_train_as_one(run: Run):
    settings = ("iterations=1", "grpo.updates=1")  # one step over all rows, however they are dealt out
    one, two = run(*settings), run(*settings, "train.processes=2", "grpo.micro_batch=2", name="two")
    alone, shared = (numbers(done.of_iteration(0, "train")) for done in (one, two))
    assert (alone["processes"], shared["processes"]) == (1, 2)
    for name in ("compared_tokens", "loss", "grad_norm", "entropy"):
        assert shared[name] == pytest.approx(alone[name], rel=1e-4, abs=1e-6), name
    assert two.of_iteration(0, "train").optimizer.is_file()


@pytest.mark.slow
@pytest.mark.xdist_group("vllm")
def test_what_vllm_sampled_is_what_the_trainer_computes(run: Run):
    pytest.importorskip("vllm")
    done = run("iterations=1", "backend=vllm", "isolation=inline", "dtype=float32", model="tiny")
    learned = numbers(done.of_iteration(0, "train"))
    assert learned["compared_tokens"] > 20
    assert learned["largest_log_ratio"] <= 2e-2
