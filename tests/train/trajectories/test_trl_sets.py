"""What we write for TRL is taken by TRL's own trainers, which score the tokens that our rows mark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.foreign import save
from support.foreign_runs import AGENTINSTRUCT, ETO

from optima_envs import Episode
from optima_train.trajectories import Dropped, read, write, write_file
from optima_train.trajectories.rows import Tokeniser

pytest.importorskip("trl")


@pytest.fixture
def items(tmp_path: Path) -> list[Episode]:
    return [item for item in read("agentinstruct", [save(tmp_path / "db.jsonl", AGENTINSTRUCT)])
            if isinstance(item, Episode)]  # fmt: skip


def arguments(kind: Any, folder: Path, **more: Any) -> Any:
    return kind(output_dir=str(folder), max_steps=1, per_device_train_batch_size=2, report_to=[], use_cpu=True,
                save_strategy="no", logging_strategy="no", learning_rate=1e-3, **more)  # fmt: skip


def loaded(model: Path, path: Path) -> tuple[Any, Any, Any]:
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    rows = load_dataset("json", data_files=str(path), split="train")
    return rows, AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)


def scored(trainer: Any) -> list[list[int]]:
    """The token ids that carry a loss in TRL's own batch, a list a row."""
    batch = next(iter(trainer.get_train_dataloader()))
    rows = zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True)
    return [[token for token, label in zip(ids, labels, strict=True) if label != -100] for ids, labels in rows]


def ours(model: Path, items: list[Episode]) -> list[int]:
    rows = [row for item in items for row in Tokeniser(str(model)).rows(item)]
    return [token for row in rows for token, bit in zip(row.input_ids, row.completion_mask, strict=True) if bit]


@pytest.mark.parametrize("layout", ["trl-prompt", "trl-tokens"])
def test_sft_takes_what_we_write_and_scores_our_tokens(
    layout: str, random_model: Path, items: list[Episode], tmp_path: Path
) -> None:
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    options = {"model": str(random_model)} if layout == "trl-tokens" else {}
    write_file(tmp_path / "sft.jsonl", write(layout, items, **options))
    rows, model, tokenizer = loaded(random_model, tmp_path / "sft.jsonl")
    args = arguments(SFTConfig, tmp_path / "out", completion_only_loss=True, max_length=None)
    args.per_device_train_batch_size = len(rows)
    before = next(model.parameters()).detach().clone()
    trainer = SFTTrainer(model=model, args=args, train_dataset=rows, processing_class=tokenizer)
    found = sorted(token for row in scored(trainer) for token in row)
    assert found == sorted(ours(random_model, items))
    trainer.train()
    assert not before.equal(next(model.parameters()))


def test_dpo_takes_our_preferences(random_model: Path, tmp_path: Path) -> None:
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    worse = json.loads(json.dumps(ETO[0]))
    worse["conversations"][-1]["value"] = "Thought: I leave.\nAction: click[Back]"
    worse["reward"] = 0.0
    items = [*read("eto", [save(tmp_path / "eto.jsonl", [ETO[0], worse])])]
    assert write_file(tmp_path / "pairs.jsonl", write("trl-preference", items)) == 1  # type: ignore[arg-type]
    rows, model, tokenizer = loaded(random_model, tmp_path / "pairs.jsonl")
    (row,) = rows
    assert [turn["role"] for turn in row["chosen"]] == ["assistant"] and "Buy Now" in row["chosen"][0]["content"]
    assert "Back" in row["rejected"][0]["content"] and "red mug" in row["prompt"][-3]["content"]
    args = arguments(DPOConfig, tmp_path / "out", max_length=None)
    before = next(model.parameters()).detach().clone()
    trainer = DPOTrainer(model=model, args=args, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    assert not before.equal(next(model.parameters()))


def test_pairs_whose_world_would_be_scored_or_that_tie_are_not_written(tmp_path: Path) -> None:
    early = json.loads(json.dumps(ETO[0]))
    early["conversations"][3]["value"] = "Thought: I look.\nAction: search[blue mug]"
    early["reward"] = 0.25
    items = [*read("eto", [save(tmp_path / "eto.jsonl", [ETO[0], early])])]
    (dropped,) = write("trl-preference", items)  # type: ignore[arg-type]
    assert isinstance(dropped, Dropped) and "part before their last turn" in dropped.reason
    (dropped,) = write("trl-preference", items[:1])  # type: ignore[arg-type]
    assert isinstance(dropped, Dropped) and "score alike" in dropped.reason
    unscored = [*read("agentinstruct", [save(tmp_path / "db.jsonl", AGENTINSTRUCT)])]
    assert [row.reason for row in write("trl-preference", unscored)] == ["no score"] * 2  # type: ignore[arg-type, union-attr]


def test_a_conversation_with_turns_without_loss_is_refused(items: list[Episode], tmp_path: Path) -> None:
    assert all(isinstance(row, Dropped) and "carry no loss" in row.reason for row in write("trl-conversation", items))
    chats = [*read("eto", [save(tmp_path / "eto.jsonl", ETO)])]
    found = [row if isinstance(row, Dropped) else row["messages"] for row in write("trl-conversation", chats)]  # type: ignore[arg-type]
    assert len(found) == 2
