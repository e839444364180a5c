"""TeamGRPO: TRL's GRPOTrainer fed with policy rows; the one file that knows private names of TRL (1.16).

TRL samples one completion per prompt slot; a dialogue of a team gives a row for each of its agents. So its sampling,
its rewards and its advantages are passed by, and its losses take our tensors: they accept an advantage per token, and
w A with a weight w >= 0 is to them the same as w on the token's loss, which is how importance weights come in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from .batches import BLANK, Tensors, chunks, deal, spread, start_of, token_advantages, tokens_of
from .importance import Drift, weights

if TYPE_CHECKING:
    from ...config.online_settings import GrpoConfig
    from ...run.records import PolicyRow

Source = Callable[[], Sequence["PolicyRow"]]
"""The rows of the next sampling round; none when no group had anything to teach."""
# what this file relies on beside the public interface; a test looks for them in the installed version
OVERRIDDEN = ("_generate_and_score_completions", "_prepare_inputs")
CALLED = ("_get_per_token_logps_and_entropies",)
INPUTS = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "tool_mask", "advantages")
INPUTS += ("old_per_token_logps", "ref_per_token_logps", "num_items_in_batch")
BY_ROWS = ("grpo", "dr_grpo")  # losses that divide by the number of rows, blank ones too


@dataclass(frozen=True, slots=True)
class Division:
    """How the rows of a round are divided: ``updates`` optimiser steps of ``accumulation`` passes in each process."""

    updates: int
    accumulation: int
    micro_batch: int
    processes: int

    @classmethod
    def of(cls, rows: int, config: GrpoConfig, processes: int) -> Division:
        """For a round of ``rows``; a smaller one is filled up with blank rows, a larger one has larger passes."""
        steps = max(1, math.ceil(rows / (config.updates * config.micro_batch * processes)))
        if config.updates * steps * config.micro_batch * processes == 1:
            steps = 2  # TRL wants two rows at least
        return cls(config.updates, steps, config.micro_batch, processes)

    @property
    def passes(self) -> int:
        """Forward passes of one process in a round."""
        return self.updates * self.accumulation

    @property
    def rows(self) -> int:
        """The most rows of a round, over all processes, whose passes are no larger than ``micro_batch``."""
        return self.passes * self.micro_batch * self.processes


class TeamGRPO(GRPOTrainer):
    """``source`` gives the rows of each of ``rounds`` sampling rounds, the same in every process.

    ``longest`` is ``dr_grpo``'s constant: the most tokens an agent may say in a dialogue. ``reference`` is the frozen
    model of the KL term; None: the model itself, as it is when the round begins.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        arguments: dict[str, Any],
        config: GrpoConfig,
        source: Source,
        division: Division,
        *,
        rounds: int = 1,
        longest: int = 256,
        reference: Any = None,
        callbacks: Sequence[Any] = (),
    ) -> None:
        self.source, self.grpo, self.division = source, config, division
        self.pad = int(tokenizer.pad_token_id)
        self.drift, self.rounds_without_rows = Drift(), 0
        self.trained = 0.0  # tokens, of the passes since the last optimiser step
        self.filled = 1.0  # the rows of the round over those that are not blank
        args = GRPOConfig(
            **arguments,
            **loss_arguments(config),
            per_device_train_batch_size=division.micro_batch,
            gradient_accumulation_steps=division.accumulation,
            steps_per_generation=division.passes,
            num_iterations=config.epochs,
            num_generations=division.rows,
            max_completion_length=longest,
            max_steps=rounds * division.updates * config.epochs,
            temperature=1.0,
            top_p=1.0,
            disable_dropout=True,
        )
        super().__init__(
            model=model,
            reward_funcs=[_no_reward],
            args=args,
            train_dataset=Dataset.from_dict({"prompt": [""] * division.rows}),
            processing_class=tokenizer,
            callbacks=[_KeepStill(self), *callbacks],
        )
        self.router_weight = self.router_aux_loss_coef  # of the loss that keeps a model's experts in use; 0 without
        self.beta = config.beta  # only now: TRL would load a reference of its own, by the model's name
        self.reference = reference
        if reference is not None:
            add_fused_lm_head(reference)
            self.reference = self.accelerator.prepare_model(reference, evaluation_mode=True)

    def get_train_dataloader(self) -> DataLoader:
        """A tick for each forward pass; the rows come from ``source``."""
        return DataLoader(range(self.args.max_steps * self.division.accumulation), collate_fn=list)  # type: ignore[arg-type]

    def _prepare_inputs(self, generation_batch: Any) -> Tensors:
        """The next pass of the round, or of the next one. TRL would pad all passes alike."""
        if self._step % (self.division.passes * self.num_iterations) == 0 or self._buffered_inputs is None:
            whole = self._generate_and_score_completions(generation_batch)
            self._buffered_inputs = deal(whole, self.division.updates, self.division.passes)
        return self._buffered_inputs[self._step % self.division.passes]

    def _generate_and_score_completions(self, inputs: Any) -> Tensors:
        """The next round as TRL's tensors: this process's share of its rows, filled up with blank ones."""
        rows = list(self.source())
        self.rounds_without_rows += not rows
        count = max(1, math.ceil(len(rows) / (self.division.passes * self.division.processes)))
        whole = count * self.division.passes * self.division.processes
        self.filled = whole / max(1, len(rows))
        mine = [*rows, *[BLANK] * (whole - len(rows))][self.accelerator.process_index :: self.division.processes]
        trained = sum(sum(row.lengths) for row in rows)
        return self.tensors(mine, trained, stored=all(row.logprobs is not None for row in rows))

    def tensors(self, rows: Sequence[PolicyRow], trained: int, *, stored: bool = True) -> Tensors:
        """What TRL's loss reads; of the whole round, over all processes: how many tokens are ``trained``, and whether
        every row has ``stored`` log-probabilities."""
        config, device = self.grpo, self.accelerator.device
        out = tokens_of(rows, self.pad, device)
        mask = out["tool_mask"]
        old = spread(rows, [row.logprobs or [0.0] * sum(row.lengths) for row in rows], mask)
        gains = spread(rows, [token_advantages(row) for row in rows], mask)
        now = old
        if config.old == "recomputed" or not stored or (config.beta and self.reference is None):
            now = self.score(self.model, rows, mask)
            known = mask * torch.tensor([[int(row.logprobs is not None)] for row in rows], device=device)
            difference = (now - old) * known
            self.drift.add(difference, known, config.importance, config.importance_cap, self.accelerator)
            gains = gains * weights(difference, config.importance, config.importance_cap)
            old = now if config.old == "recomputed" else torch.where(known.bool(), old, now)
        if config.beta:
            frozen = now if self.reference is None else self.score(self.reference, rows, mask)
            out["ref_per_token_logps"] = frozen  # of partners' tokens too: exp of a far guess is not finite
        out |= {"advantages": gains, "old_per_token_logps": old}
        return {**out, "num_items_in_batch": torch.tensor(float(trained), device=device)}

    @torch.no_grad()
    def score(self, model: Any, rows: Sequence[PolicyRow], like: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (nats) of every token of the rows' completions, shaped as ``like``; 0 in padding."""
        found = torch.zeros(like.shape, dtype=torch.float32, device=like.device)
        for numbers in chunks(rows, self.division.micro_batch):
            batch = tokens_of([rows[number] for number in numbers], self.pad, like.device)
            ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
            seen = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
            logprobs = self._get_per_token_logps_and_entropies(model, ids, seen, batch["completion_ids"].shape[1])[0]
            for place, number in enumerate(numbers):
                length = len(rows[number].input_ids) - start_of(rows[number])
                found[number, :length] = logprobs[place, :length].float()
        return found

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """TRL's loss, over real rows alone."""
        trained = float(inputs["tool_mask"].sum())
        self.trained += trained
        scale = self.filled if self.loss_type in BY_ROWS else 1.0
        # the routers' loss is a mean over tokens, not over rows, and has nothing to say of a pass of blank ones
        self.router_aux_loss_coef = self.router_weight / scale if trained else 0.0
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch) * scale


class _KeepStill(TrainerCallback):
    """An optimiser step over blank rows alone changes nothing: without it, Adam's momentum would go on."""

    def __init__(self, trainer: TeamGRPO) -> None:
        self._trainer = trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        trainer = self._trainer
        trained: Any = trainer.accelerator.reduce(torch.tensor(trainer.trained, device=trainer.accelerator.device))
        if not float(trained):
            for parameter in kwargs["model"].parameters():
                parameter.grad = None
        trainer.trained = 0.0


def loss_arguments(config: GrpoConfig) -> dict[str, Any]:
    """The loss, as TRL's config names it."""
    return {
        "loss_type": config.loss,
        "importance_sampling_level": config.ratio,
        "epsilon": config.clip_low,
        "epsilon_high": config.cispo_cap if config.loss == "cispo" else config.clip_high,
        "beta": 0.0,
        "use_bias_correction_kl": True,
    }


def _no_reward(completions: list[Any], **kwargs: Any) -> list[float | None]:
    """TRL wants a reward function; rows come with their advantages."""
    raise NotImplementedError("rows come with their advantages")
