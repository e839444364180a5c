"""A preference trainer that scores exactly the sampled tokens: TRL's DPOTrainer without its tokenising.

The reference's log-probabilities are those of the model before the first step, computed once, so that no second model
stays in memory. With ``micro_batch=1`` the NLL term is the paper's (Eq. 4), a mean over a turn's tokens; a larger one
takes the mean over all chosen tokens of the micro-batch. Dropout is off, as TRL has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run.records import ContrastRow, read_records
from .trainer_args import trainer_arguments, watcher

if TYPE_CHECKING:
    from ..config.settings import DpoConfig
    from ..run.stage import StageContext


Pair = dict[str, list[int]]
COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids")
MASKS = ("chosen_mask", "rejected_mask")
NO_IDS, ALIKE = "no sampled token ids", "chosen and rejected are the same tokens"
NOTHING = "a side without a token of the agent's own"


def read_pairs(
    path: Path,
    limits: Mapping[str, int],
    learns: Callable[[str], bool] = lambda agent: True,
    numbers: list[int] | None = None,
) -> tuple[list[Pair], Counter[str]]:
    """The trainable pairs of a ``pairs.jsonl`` of agents that ``learns``, and how many were dropped for what.

    ``limits`` are bounds of prompt and turn together, in tokens, by what they come from; ``numbers`` gets the row
    numbers of the trainable pairs.
    """
    pairs: list[Pair] = []
    dropped: Counter[str] = Counter()
    for number, row in enumerate(read_records(path, ContrastRow)):
        if not learns(row.agent):
            continue
        pair: Pair = {column: list(getattr(row, column) or ()) for column in COLUMNS}
        for column in MASKS:
            ids = pair[column.replace("mask", "ids")]
            pair[column] = list(getattr(row, column) or [1] * len(ids))
            if len(pair[column]) != len(ids):
                raise ValueError(f"{path}: {column} of {row.instance} has {len(pair[column])} entries, not {len(ids)}")
        length = len(pair["prompt_ids"]) + max(len(pair["chosen_ids"]), len(pair["rejected_ids"]))
        exceeded = next((name for name, limit in limits.items() if length > limit), None)
        if not all(pair[column] for column in COLUMNS):
            dropped[NO_IDS] += 1
        elif not all(any(pair[column]) for column in MASKS):
            dropped[NOTHING] += 1
        elif pair["chosen_ids"] == pair["rejected_ids"]:
            dropped[ALIKE] += 1
        elif exceeded is not None:
            dropped[f"longer than {exceeded}"] += 1
        else:
            pairs.append(pair)
            if numbers is not None:
                numbers.append(number)
    return pairs, dropped


def schedule(ctx: StageContext) -> DpoConfig:
    """The settings of this preference training among those of the run."""
    earlier = sum(ctx.run.of_iteration(before, "pairs").marker.is_file() for before in range(ctx.iteration))
    return ctx.config.dpo.of_round(earlier)


def preference_trainer(ctx: StageContext, model: Any, tokenizer: Any, pairs: Sequence[Pair]) -> Any:
    """TRL's DPOTrainer fed with the sampled ids.

    ``trainer.before`` holds the reference's log-probabilities, ``trainer.score`` computes those of any model. Raises
    StageError when a loss stops being a number.
    """
    import torch
    from datasets import Dataset
    from torch.utils.data import DataLoader
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    class Trainer(DPOTrainer):
        before: Any

        def _set_signature_columns_if_needed(self) -> None:
            super()._set_signature_columns_if_needed()
            known: list[str] = self._signature_columns or []
            self._signature_columns = [*known, *(name for name in MASKS if name not in known)]

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset  # TRL would tokenise texts again; these are the ids that were sampled

        def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
            """The model as it is before the first step is the reference, with or without an adapter."""
            current: Any = self.model
            if "ref" in getattr(current, "peft_config", ()):
                current.delete_adapter("ref")  # TRL's copy of the adapter, for references it computes later
            self.before = self.score(self.ref_model or current, dataset)
            chosen, rejected = self.before.tolist()
            return dataset.add_column("ref_chosen_logps", chosen).add_column("ref_rejected_logps", rejected)

        def score(self, model: Any, dataset: Any) -> torch.Tensor:
            """Summed log-probabilities of all chosen and all rejected turns: float32, (2, pairs), on the CPU."""
            loader = DataLoader(dataset, self.args.per_device_train_batch_size, collate_fn=self.data_collator)
            loader: Any = self.accelerator.prepare(loader)
            found: list[torch.Tensor] = []
            model.eval()
            for batch in loader:
                inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
                labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
                with torch.no_grad(), self.accelerator.autocast():
                    scores = model(**inputs, labels=labels, use_cache=False, fused_lm_head=True).log_probs
                chosen, rejected = scores.float().sum(dim=1).chunk(2)
                both: Any = self.accelerator.gather_for_metrics(torch.stack([chosen, rejected], dim=1))
                found.append(both.cpu())
            return torch.cat(found).T

    config = schedule(ctx)
    args = DPOConfig(
        **trainer_arguments(ctx, config, len(pairs)),
        loss_type=["sigmoid", "sft"] if config.sft_weight else ["sigmoid"],
        loss_weights=[1.0, config.sft_weight] if config.sft_weight else None,
        beta=config.beta,
        precompute_ref_log_probs=True,
    )
    return Trainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list(list(pairs)),
        processing_class=tokenizer,
        data_collator=collator(tokenizer),
        callbacks=[watcher(ctx, "dpo")],
    )


def collator(tokenizer: Any) -> Any:
    """TRL's collator, after which tokens that are not the agent's own are no completion: they are read, not scored."""
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    collate = DataCollatorForPreference(pad_token_id=tokenizer.pad_token_id)

    def masked(examples: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        batch = collate(examples)
        sides = [(example, side) for side in ("chosen", "rejected") for example in examples]
        for row, (example, side) in enumerate(sides):
            start = len(example["prompt_ids"])
            own = example.get(f"{side}_mask")
            if own is not None:
                batch["completion_mask"][row, start : start + len(own)] *= torch.tensor(own)
        return batch

    return masked
