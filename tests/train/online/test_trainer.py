"""TeamGRPO: what it needs of TRL, how rounds are divided, and what changes no weight."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from support.policy_rows import logprobs_of, model_of, row, rows, trainer_of
from trl.trainer.grpo_trainer import GRPOTrainer

from optima_train.config.online_settings import GrpoConfig
from optima_train.online.credit.estimators import ADVANTAGES, Options, RewardedTurn
from optima_train.online.trainer import team_grpo
from optima_train.online.trainer.batches import BLANK, deal, spread, tokens_of, trimmed
from optima_train.online.trainer.optimizer_state import load_moments, save_moments
from optima_train.online.trainer.team_grpo import Division
from optima_train.run.records import PolicyRow
from optima_train.run.stage import StageError

CPU = torch.device("cpu")


def config(**more: Any) -> GrpoConfig:
    return GrpoConfig.model_validate({"learning_rate": 1e-2, "micro_batch": 2, "importance": "none", **more})


def stored(given: list[PolicyRow], value: float = -1.0) -> list[PolicyRow]:
    return [one.model_copy(update={"logprobs": [value] * sum(one.lengths)}) for one in given]


def state(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_the_installed_trl_has_what_is_relied_on():
    for name in (*team_grpo.OVERRIDDEN, *team_grpo.CALLED):
        assert name in vars(GRPOTrainer), name
    overridden = inspect.signature(GRPOTrainer._generate_and_score_completions)
    assert list(overridden.parameters) == ["self", "inputs"]
    called = list(inspect.signature(GRPOTrainer._get_per_token_logps_and_entropies).parameters)
    assert called[:5] == ["self", "model", "input_ids", "attention_mask", "logits_to_keep"]
    loss = inspect.getsource(GRPOTrainer._compute_loss)
    for name in team_grpo.INPUTS:
        assert f'"{name}"' in loss, f"TRL's loss reads no {name}"
    assert "advantages.dim() == 1" in loss, "advantages per token are taken as they are"
    assert set(team_grpo.BY_ROWS) == {"grpo", "dr_grpo"}
    steps = inspect.getsource(GRPOTrainer.training_step)
    assert "self._step += 1" in steps, "passes are counted"
    assert "self._buffered_inputs = None" in inspect.getsource(GRPOTrainer.__init__)


def test_the_reward_function_trl_insists_on_is_never_asked(random_model: Path, tmp_path: Path):
    trainer = trainer_of(random_model, config(), stored(rows()), tmp_path)
    with pytest.raises(NotImplementedError):
        team_grpo._no_reward([])
    assert trainer.reward_funcs == [team_grpo._no_reward]
    trainer.train()
    assert trainer.state.global_step == 1


@pytest.mark.parametrize(
    ("count", "updates", "micro", "processes", "passes", "most"),
    [(5, 1, 2, 1, 3, 6), (64, 4, 8, 1, 8, 64), (65, 4, 8, 1, 12, 96), (1, 1, 1, 1, 2, 2), (10, 2, 4, 2, 2, 16)],
)
def test_rounds_divide_into_equal_passes(count: int, updates: int, micro: int, processes: int, passes: int, most: int):
    division = Division.of(count, config(updates=updates, micro_batch=micro), processes)
    assert (division.passes, division.rows) == (passes, most)
    assert division.rows >= max(2, count)
    assert division.passes % updates == 0


def test_each_row_is_used_once_per_epoch_and_blank_ones_teach_nothing(random_model: Path, tmp_path: Path):
    given = stored([row("A", [("heard", 4 + k), ("said", 2)], [1.0], seed=k) for k in range(7)])
    trainer = trainer_of(random_model, config(updates=2, epochs=3), given, tmp_path)
    seen: list[tuple[int, ...]] = []
    compute = trainer.compute_loss

    def watch(model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        for ids, mask, own in zip(
            inputs["completion_ids"], inputs["completion_mask"], inputs["tool_mask"], strict=True
        ):
            if own.any():
                seen.append(tuple(ids[mask == 1].tolist()))
        return compute(model, inputs, *rest, **named)

    trainer.compute_loss = watch  # type: ignore[method-assign]
    trainer.train()
    wanted = sorted(tuple(one.input_ids[one.completion_mask.index(1) :]) for one in given)
    assert sorted(seen) == sorted(wanted * 3)
    assert trainer.state.global_step == 6


def test_a_learning_rate_of_zero_leaves_the_same_bits(random_model: Path, tmp_path: Path):
    trainer = trainer_of(random_model, config(learning_rate=0.0, updates=2), stored(rows()), tmp_path)
    before = state(trainer.model)
    trainer.train()
    after = state(trainer.model)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert trainer.state.log_history[0]["grad_norm"] > 0


def test_a_round_without_rows_changes_no_bit_whatever_momentum_there_is(random_model: Path, tmp_path: Path):
    rounds = iter([stored(rows()), [], []])
    trainer = trainer_of(random_model, config(), stored(rows()), tmp_path, rounds=3)
    trainer.source = lambda: next(rounds)
    states = []
    step = trainer.training_step

    def watch(*given: Any) -> Any:
        states.append(state(trainer.model))
        return step(*given)

    trainer.training_step = watch  # type: ignore[method-assign]
    trainer.train()
    final, passes = state(trainer.model), trainer.division.passes
    assert any(not torch.equal(states[0][n], states[passes][n]) for n in final), "the first round trained"
    assert all(torch.equal(states[passes][n], final[n]) for n in final), "the empty ones did not"
    assert trainer.rounds_without_rows == 2


def test_ratios_are_one_before_the_first_update(random_model: Path, tmp_path: Path):
    """What the trainer computes again in other batches is what it computes in the loss."""
    trainer = trainer_of(random_model, config(loss="grpo", old="recomputed"), stored(rows()), tmp_path)
    inputs = trainer._generate_and_score_completions(None)  # type: ignore[arg-type]
    for start in (0, 2, 4):
        batch = trimmed({k: v[start : start + 2] if v.dim() else v for k, v in inputs.items()})
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
        seen = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
        width = batch["completion_ids"].shape[1]
        now = trainer._get_per_token_logps_and_entropies(trainer.model, ids, seen, width)[0]
        assert float(((now - batch["old_per_token_logps"]) * batch["tool_mask"]).abs().max()) < 1e-5


def test_drift_is_measured_on_tokens_whose_engine_told_its_probabilities(random_model: Path, tmp_path: Path):
    model, given = model_of(random_model), rows()
    exact = [logprobs_of(model, one).detach() for one in given]
    off = [0.0, 0.05, 0.2, -0.2, None]
    told = [
        one.model_copy(update={"logprobs": None if shift is None else (own - shift).tolist()})
        for one, own, shift in zip(given, exact, off, strict=True)
    ]
    trainer = trainer_of(random_model, config(importance="token", importance_cap=1.1), told, tmp_path)
    inputs = trainer._generate_and_score_completions(None)  # type: ignore[arg-type]
    counts = [sum(one.lengths) for one in given]
    numbers = trainer.drift.numbers()
    known = sum(counts[:4])
    assert numbers["compared_tokens"] == known
    assert numbers["largest_log_ratio"] == pytest.approx(0.2, abs=1e-5)
    assert numbers["outside_band"] == pytest.approx((counts[2] + counts[3]) / known)
    assert numbers["capped"] == pytest.approx(counts[2] / known)
    weights = {k: inputs["advantages"][k][inputs["tool_mask"][k] == 1] for k in range(5)}
    plain = spread(given, [[a for a, n in zip(g.advantages, g.lengths, strict=True) for _ in range(n)] for g in given],
                   inputs["tool_mask"][:5])  # fmt: skip
    for k, factor in enumerate((1.0, math.exp(0.05), 1.1, math.exp(-0.2), 1.0)):
        assert torch.allclose(weights[k], factor * plain[k][inputs["tool_mask"][k] == 1], atol=1e-5)


def test_stored_log_probabilities_are_taken_as_they_are_and_missing_ones_computed(random_model: Path, tmp_path: Path):
    given = [*stored(rows()[:2], -0.25), rows()[2]]
    trainer = trainer_of(random_model, config(old="stored"), given, tmp_path)
    inputs = trainer._generate_and_score_completions(None)  # type: ignore[arg-type]
    own = inputs["tool_mask"] == 1
    assert set(inputs["old_per_token_logps"][:2][own[:2]].tolist()) == {-0.25}
    recomputed = trainer.score(trainer.model, given, inputs["tool_mask"][:3])
    # another batch is summed in another order
    torch.testing.assert_close(inputs["old_per_token_logps"][2][own[2]], recomputed[2][own[2]], atol=1e-5, rtol=0)


def test_padding_is_cut_and_masks_survive():
    batch = tokens_of([*rows()[:2], BLANK], 0, CPU)
    wide = {name: torch.nn.functional.pad(v, (3, 0) if "prompt" in name else (0, 5)) for name, v in batch.items()}
    cut = trimmed({**wide, "advantages": torch.zeros(wide["tool_mask"].shape), "num_items_in_batch": torch.tensor(3.0)})
    assert all(torch.equal(cut[name], batch[name]) for name in batch)
    assert cut["advantages"].shape == batch["tool_mask"].shape
    assert cut["num_items_in_batch"] == 3.0


def test_a_round_is_dealt_to_updates_at_random_and_to_passes_by_length():
    given = [row("A", [("heard", 3 + 5 * k), ("said", 2)], [float(k)], seed=k) for k in range(12)]
    batch = tokens_of(given, 0, CPU)
    batch["advantages"] = spread(given, [[float(k)] * 2 for k in range(12)], batch["tool_mask"])
    batch["num_items_in_batch"] = torch.tensor(24.0)
    torch.manual_seed(3)
    passes = deal(batch, 2, 6)
    assert len(passes) == 6
    assert sorted(int(p["advantages"][k].max()) for p in passes for k in range(2)) == list(range(12))
    for update in (passes[:3], passes[3:]):
        order = [int(one["advantages"][k].max()) for one in update for k in range(2)]
        assert order == sorted(order), "short rows before long ones"
    for one in passes:
        assert bool(one["prompt_mask"].any(0).all()), "no column of padding alone"
        assert one["num_items_in_batch"] == 24.0


def test_moments_go_on_as_if_training_had_not_stopped(random_model: Path, tmp_path: Path):
    """Adam restored from a file takes the step the same Adam would have taken."""

    def adam() -> tuple[Any, Any]:
        model = model_of(random_model)
        return model, torch.optim.AdamW(model.parameters(), lr=1e-3)

    def update(model: Any, optimizer: Any, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=draw)
        optimizer.step()

    model, optimizer = adam()
    update(model, optimizer, 1)
    save_moments(model, optimizer, tmp_path / "moments")
    other, restored = adam()
    other.load_state_dict(model.state_dict())
    assert load_moments(other, restored, tmp_path / "moments")
    for pair in ((model, optimizer), (other, restored)):
        update(*pair, 2)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), other.parameters(), strict=True))
    fresh, new = adam()
    assert not load_moments(fresh, new, tmp_path / "nothing")
    smaller = torch.nn.Linear(2, 2)
    with pytest.raises(StageError, match="carry_optimizer=false"):
        load_moments(smaller, torch.optim.AdamW(smaller.parameters()), tmp_path / "moments")


def share_of_the_small_agent(advantages: dict[str, list[float]], random_model: Path, tmp_path: Path) -> float:
    """The small agent's share of the gradient: the norm of its rows' part over the sum of both parts' norms."""
    norms = {}
    for agent in ("Small", "Large"):
        given = [
            row(name, [("heard", 6), ("said", 4)], [gain if name == agent else 0.0], seed=10 * k + (name == "Large"))
            for name, gains in advantages.items()
            for k, gain in enumerate(gains)
        ]
        trainer = trainer_of(random_model, config(), stored(given), tmp_path)
        inputs = trainer._generate_and_score_completions(None)  # type: ignore[arg-type]
        model: Any = trainer.model
        model.zero_grad()
        for start in range(0, len(inputs["tool_mask"]), 2):
            batch = {k: v[start : start + 2] if v.dim() else v for k, v in inputs.items()}
            trainer.compute_loss(model, batch).backward()
        norms[agent] = torch.stack([p.grad.norm() for p in model.parameters()]).norm().item()
    return norms["Small"] / (norms["Small"] + norms["Large"])


def test_agent_wise_normalisation_gives_an_agent_with_small_rewards_its_share(random_model: Path, tmp_path: Path):
    draw = torch.Generator().manual_seed(0)
    signs = (2 * torch.randint(0, 2, (2, 16), generator=draw) - 1).tolist()
    turns = [
        RewardedTurn("q", dialogue, agent, 0, float(scale * sign))
        for agent, scale, column in zip(("Small", "Large"), (1, 100), signs, strict=True)
        for dialogue, sign in enumerate(column)
    ]
    shares = {}
    for name in ("group", "agent"):
        gains = ADVANTAGES[name](turns, Options(), {}).advantages
        by_agent: dict[str, list[float]] = {"Small": [], "Large": []}
        for turn, gain in zip(turns, gains, strict=True):
            by_agent[turn.agent].append(gain or 0.0)
        shares[name] = share_of_the_small_agent(by_agent, random_model, tmp_path)
    assert shares["group"] <= 0.05
    assert 0.4 <= shares["agent"] <= 0.6


def test_training_moves_towards_what_was_better(random_model: Path, tmp_path: Path):
    """The rows of positive advantage become likelier, the others unlikelier."""
    good = [row("A", [("heard", 6), ("said", 4)], [1.0], seed=k) for k in range(4)]
    bad = [row("A", [("heard", 6), ("said", 4)], [-1.0], seed=20 + k) for k in range(4)]
    trainer = trainer_of(random_model, config(old="recomputed", epochs=4), stored([*good, *bad]), tmp_path)
    before = [float(logprobs_of(trainer.model, one).sum()) for one in (*good, *bad)]
    trainer.train()
    trainer.model.eval()  # type: ignore[union-attr]
    after = [float(logprobs_of(trainer.model, one).sum()) for one in (*good, *bad)]
    change = [b - a for a, b in zip(before, after, strict=True)]
    assert sum(change[:4]) > 0 > sum(change[4:])
