"""Rows of trajectories: the tokens with loss are exactly the texts with loss, under every family of templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.acting import play, script
from support.chats import FAMILIES, HOSTILE, make_tokenizer
from support.foreign import ROWS, sample, save
from support.foreign_runs import AGENTINSTRUCT

from optima_envs import Episode, EpisodeKey, Turn, scenario
from optima_train.stages.rows import OWN, TOO_LONG
from optima_train.tiny.dialogues import dialogues
from optima_train.trajectories import episode, read
from optima_train.trajectories.rows import Tokeniser
from optima_train.trajectories.transcript import AGENT, ENVIRONMENT, USER, trained

pytest.importorskip("transformers", reason="needs the extra hf")


@pytest.fixture(scope="module")
def tokenisers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokeniser]:
    found = {"tiny": Tokeniser("tiny", 10**6)}
    for family in FAMILIES:
        folder = tmp_path_factory.mktemp(family)
        make_tokenizer(family).save_pretrained(folder)
        found[family] = Tokeniser(str(folder))
    return found


NAMES = ["tiny", *FAMILIES]


def learned(tokeniser: Tokeniser, item: Episode) -> dict[int, list[int]]:
    """The tokens with loss by the turn they belong to, read off the masks of the rows alone."""
    found: dict[int, list[int]] = {}
    for row in tokeniser.rows(item):
        assert len(row.input_ids) == len(row.completion_mask)
        runs = groupby(zip(row.completion_mask, row.input_ids, strict=True), key=lambda pair: pair[0])
        spans = [[token for _, token in run] for bit, run in runs if bit]
        assert not set(row.turns) & set(found)
        found |= dict(zip(row.turns, spans, strict=True))
    return found


def check(tokeniser: Tokeniser, item: Episode) -> None:
    """Each turn with loss is there once, as its text and the end of turn; nothing else is."""
    found = learned(tokeniser, item)
    assert sorted(found) == trained(item)
    chat = tokeniser.chat
    end = chat.tokenizer.decode([chat.end_of_turn]) if chat.end_of_turn is not None else ""
    for number, ids in found.items():
        assert chat.tokenizer.decode(ids, skip_special_tokens=False) == item.turns[number].text + end


def foreign(tmp_path: Path, layouts: Iterable[str]) -> list[Episode]:
    items = [
        item for name in layouts for file, rows in ROWS[name] for item in read(name, [save(tmp_path / file, rows)])
    ]
    return [item for item in items if isinstance(item, Episode) and trained(item)]


@pytest.mark.parametrize("family", NAMES)
def test_tokens_with_loss_are_the_texts_with_loss(
    tokenisers: dict[str, Tokeniser], tmp_path: Path, family: str
) -> None:
    items = foreign(tmp_path, [name for name in ROWS if name != "nat"])
    assert len(items) > 20
    for item in items:
        check(tokenisers[family], item)
    assert not tokenisers[family].dropped


SAID = st.tuples(st.sampled_from([AGENT, USER, ENVIRONMENT]), HOSTILE.filter(lambda text: "\0" not in text))


@pytest.mark.parametrize("family", NAMES)
@given(
    said=st.lists(SAID, max_size=6),
    last=HOSTILE.filter(lambda text: "\0" not in text),
    hidden=st.sets(st.integers(0, 5)),
)
@settings(max_examples=25, deadline=None)
def test_hostile_texts_stay_text(
    tokenisers: dict[str, Tokeniser], family: str, said: list[tuple[str, str]], last: str, hidden: set[int]
) -> None:
    turns = [*(Turn(agent, text) for agent, text in said), Turn(AGENT, last)]
    masked = [k for k in sorted(hidden) if k < len(said) and turns[k].agent == AGENT]
    item = episode("x", "h", "<|im_end|> Who? </s>", turns, system="Be [INST] kind", masked=masked)
    tokeniser = tokenisers[family]
    check(tokeniser, item)
    specials = {token for row in tokeniser.rows(item) for token in tokeniser.chat.controls(row.input_ids)}
    clean = episode("x", "c", "Who?", [Turn(agent, "a") for agent, _ in said] + [Turn(AGENT, "a")], system="Be kind")
    allowed = {token for row in tokeniser.rows(clean) for token in tokeniser.chat.controls(row.input_ids)}
    assert specials <= allowed, "no text has become a control token"


def test_no_text_joins_the_row_that_the_trajectory_lacks(tokenisers: dict[str, Tokeniser], tmp_path: Path) -> None:
    (item, _) = read("agentinstruct", [save(tmp_path / "rows.jsonl", AGENTINSTRUCT)])
    assert isinstance(item, Episode)
    (row,) = tokenisers["chatml"].rows(item)
    texts = [item.instance.question, *(turn.text for turn in item.turns)]
    roles = ["user", *("assistant" if turn.agent == AGENT else "user" for turn in item.turns)]
    whole = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in zip(roles, texts, strict=True))
    decoded = tokenisers["chatml"].chat.tokenizer.decode(list(row.input_ids), skip_special_tokens=False)
    assert decoded + "\n" == whole


def test_masks_of_the_real_rows(tokenisers: dict[str, Tokeniser]) -> None:
    """T1 b, and its control: without the flags of loss, all of the agent's turns would be trained."""
    items = [item for item in read("agentinstruct", [sample("agenttuning/db.jsonl")]) if isinstance(item, Episode)]
    tokeniser = tokenisers["chatml"]
    for item in items:
        check(tokeniser, item)
    assert len(items) == 54 and sum(len(trained(item)) for item in items) == 122
    unflagged = [replace(item, info={k: v for k, v in item.info.items() if k != "masked"}) for item in items]
    assert sum(len(learned(tokeniser, item)) for item in unflagged) == 176


@pytest.mark.parametrize("family", ["chatml", "thinking"])
def test_a_turn_too_long_is_counted_and_the_others_stay(tokenisers: dict[str, Tokeniser], family: str) -> None:
    item = episode("x", "l", "Q", [Turn(AGENT, "short"), Turn(USER, "on"), Turn(AGENT, "long " * 200)])
    tokeniser = Tokeniser(tokenisers[family].chat.tokenizer.name_or_path, 100)
    assert list(learned(tokeniser, item)) == [0]
    assert tokeniser.dropped == Counter({TOO_LONG: 1})
    assert tokeniser.rows(replace(item, turns=item.turns[2:])) == []
    assert tokeniser.dropped[TOO_LONG] == 2


def test_own_dialogues_have_a_row_an_agent(tokenisers: dict[str, Tokeniser]) -> None:
    for item in dialogues("twohop-asym", "arrows", 5):
        rows = tokenisers["tiny"].rows(item)
        assert [row.agent for row in rows] == list(dict.fromkeys(turn.agent for turn in item.turns))
        check(tokenisers["tiny"], item)


def test_sampled_tokens_are_kept(tokenisers: dict[str, Tokeniser]) -> None:
    tokeniser = tokenisers["chatml"]
    chat = tokeniser.chat
    (item,) = dialogues("twohop-asym", "arrows", 1)
    text = "the question was about a river"
    item = replace(item, turns=(replace(item.turns[0], text=text), *item.turns[1:]))
    found = learned(tokeniser, item)
    spelt = [token for letter in text for token in chat.encode(letter)]
    assert chat.decode(spelt) == text and spelt != found[0][:-1], "the same text in other tokens"

    def first(**changed: object) -> list[int]:
        turns = (replace(item.turns[0], **changed), *item.turns[1:])
        return learned(tokeniser, replace(item, turns=turns))[0]

    assert first(ids=(*spelt, found[0][-1])) == [*spelt, found[0][-1]]
    assert first(ids=(5, 6, 7)) == first(ids=(10**6,)) == found[0], "ids of another tokenizer are not this one's"
    assert first(finish="length") == found[0][:-1], "what was cut has no end to learn"


def test_own_dialogues_with_tools(tokenisers: dict[str, Tokeniser]) -> None:
    """The world's replies carry no loss; what an agent invents as one neither, which is a fault of our own agents.
    In other people's trajectories the text with loss is theirs to say."""
    lines = ["search[of]", "search[of]\nObservation: I made this up.", "Final Answer: x"]
    game = scenario("twohop-search", split="train")
    inst = game.task[0]
    turns, outcome = play(game.rules, inst, script({"actor": lines}))
    item = Episode(EpisodeKey(inst.id), game.id, inst, turns, outcome)
    tokeniser = tokenisers["tiny"]
    before = tokeniser.dropped[OWN]
    said = {number: tokeniser.chat.decode(ids).strip() for number, ids in learned(tokeniser, item).items()}
    assert said == {0: "search[of]", 2: "search[of]", 4: "Final Answer: x"}
    assert tokeniser.dropped[OWN] == before + 1
    assert [turn.agent for turn in turns] == ["Alice", ENVIRONMENT, "Alice", ENVIRONMENT, "Alice"]
    check(tokeniser, episode("x", "o", "Q", [Turn(AGENT, lines[1]), Turn(ENVIRONMENT, "y"), Turn(AGENT, "z")]))


def test_a_role_the_rules_do_not_know_is_an_error_that_names_it(tokenisers: dict[str, Tokeniser]) -> None:
    (item,) = dialogues("twohop-asym", "arrows", 1)
    with pytest.raises(Exception, match="nowhere"):
        tokenisers["tiny"].rows(replace(item, env="optima/nowhere-v0"))
