"""Cards of exported runs: what they say of a run, and that no folder of this machine stands in them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from optima_train.config.loading import load
from optima_train.hubs.run_cards import model_card


def settings_in(card: str) -> dict:
    return yaml.safe_load(card.partition("```yaml\n")[2].partition("```")[0])


def test_a_card_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    data, model = tmp_path / "secret: place" / "questions.jsonl", tmp_path / "weights"
    (tmp_path / "plugins").mkdir()
    overrides = [
        f"env.train.data='{data}'",
        f"env.test.data='{data}'",
        f"env.args={{files: ['{data}']}}",
        f"model='{model}'",
        f"plugin_folders=['{tmp_path / 'plugins'}']",
        f"data.log={{read: optima, files: ['{data}', 'near/log.jsonl']}}",
        f"imagine.judge='hf:{model}'",
    ]
    card = model_card(load("quickstart", overrides), tmp_path, None)
    assert str(tmp_path) not in card and tmp_path.name not in card
    found = settings_in(card)
    assert found["env"]["train"]["data"] == "questions.jsonl" and found["model"] == "weights"
    assert found["env"]["args"] == {"files": ["questions.jsonl"]}
    assert found["data"]["log"]["files"] == ["questions.jsonl", "near/log.jsonl"]
    assert found["imagine"]["judge"] == "hf:weights"
    assert "iterations from weights." in card and "base_model" not in card


def test_a_model_of_the_hub_is_named_whole(tmp_path: Path) -> None:
    card = model_card(load("quickstart", ["model=someone/some-model", "dtype=float32"]), tmp_path, 0)
    assert settings_in(card)["model"] == "someone/some-model"
    assert "base_model: " in card and "1 iterations from someone/some" in card


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("http://server:8000/v1", "http://server:8000/v1"),
        ("openai:http://server:8000/v1", "openai:http://server:8000/v1"),
        ("https://hub.example/data/set", "https://hub.example/data/set"),
        ("file:///home/someone/data.jsonl", "file:data.jsonl"),
        ("vllm:/home/someone/model", "vllm:model"),
        ("hf:someone/model", "hf:someone/model"),
    ],
)
def test_servers_are_named_whole_and_folders_by_their_names(tmp_path: Path, given: str, named: str) -> None:
    card = model_card(load("quickstart", [f"imagine.judge='{given}'"]), tmp_path, None)
    assert settings_in(card)["imagine"]["judge"] == named
