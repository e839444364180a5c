"""docs/other_trainers.md: each block runs as it stands, beside the package it is about where that is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.chat_server import chat_server
from support.chats import make_tokenizer
from support.other_trainers import BLOCKS, PAGE, run
from support.random_llama import save_random_llama

from optima_train.cli.verbs import module_of, parser_of


def test_there_is_a_block_for_each():
    assert set(BLOCKS) == {"drive", "trl", "openenv", "verl", "skyrl", "base_url"}


def test_your_own_loop():
    episode = run("drive")["episode"]
    assert (episode.error, len(episode.turns)) == (None, 3)


@pytest.mark.filterwarnings("ignore")
def test_trl(tmp_path: Path):
    trl = pytest.importorskip("trl")
    words = make_tokenizer("chatml")
    words.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen2_5.jinja").read_text()
    model = save_random_llama(
        tmp_path / "model", words, num_attention_heads=2, max_position_embeddings=4096, tie_word_embeddings=True
    )
    trainer = run("trl", model=str(model), tokenizer=words, folder=str(tmp_path / "out"))["trainer"]
    assert trainer.state.global_step == 1


def test_trainers_that_only_know_a_base_url(capsys: pytest.CaptureFixture[str]):
    with chat_server() as server:
        run("base_url", base_url=server.url, model="m")
        asked = list(server.models)
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert set(asked) == {"m", "m-bob"}


def test_the_commands_are_there():
    for line in re.findall(r"^optima (.*)$", PAGE, re.MULTILINE):
        verb, *rest = line.split()
        parser_of(verb, module_of(verb)).parse_intermixed_args(rest)
