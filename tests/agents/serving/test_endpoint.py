"""The endpoint, asked by the official client: answers, traces, streams, seeds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("openai")
pytest.importorskip("uvicorn")

from support.serving import FACTS, LINES, QUESTION, Gate, served

from optima_agents import EpisodeLog, LLMPolicy, Request, Sampling
from optima_agents.backends.fake import FakeBackend
from optima_agents.scripted import Scripted

TALK = (("Alice", 0), ("Bob", 0), ("Alice", 1))
PAGE = Path(__file__).parents[3] / "docs" / "servers.md"


def test_one_question_in_the_dialogue_as_trace_the_answer_out(tmp_path):
    with EpisodeLog(tmp_path / "log.jsonl") as log, served(Scripted(LINES), log=log) as there:
        done = there.ask()
        (model,) = there.client.models.list()
    assert done.choices[0].message.content == "Kim"
    assert (done.choices[0].finish_reason, done.model, model.id) == ("stop", "team", "team")
    assert done.usage is not None and done.usage.completion_tokens == 5 + 3 + 6
    said = [(turn["agent"], turn["text"]) for turn in done.model_extra["optima"]["dialogue"]]
    assert said == [("Alice", LINES["Alice"][0]), ("Bob", LINES["Bob"][0]), ("Alice", LINES["Alice"][1])]
    trace = done.choices[0].message.model_extra["reasoning_content"]
    assert trace == "".join(f"{agent}: {text}\n" for agent, text in said)
    (episode,) = EpisodeLog.iterate(tmp_path / "log.jsonl")
    assert (episode.info["request"], episode.instance.private) == (done.id, FACTS["facts"])


def test_an_agent_reads_its_own_facts_and_what_the_system_tells_all():
    seen: dict[str, str] = {}

    def reply(request: Request) -> str:
        opening = request.messages[1]["content"].partition("\nAlice: ")[0]
        seen[request.messages[0]["content"].split()[2].rstrip(".")] = opening
        return "<A> Kim </A>"

    with served(LLMPolicy(FakeBackend(reply))) as there:
        there.ask({"role": "system", "content": "For all."}, QUESTION)
        one = dict(seen)
        there.ask(facts={"facts": ["fact one", "fact two", "fact three"]})
    question = "Question: Who is the mentor of Zed?"
    assert one == {
        "Alice": f"Facts:\nFor all.\nKim leads Zed.\n{question}",
        "Bob": f"Facts:\nFor all.\nKim is the mentor.\n{question}",
    }
    dealt = [seen[agent].count("fact ") for agent in ("Alice", "Bob")]
    assert sorted(dealt) == [1, 2]
    assert all("".join(seen.values()).count(f"fact {name}") == 1 for name in ("one", "two", "three"))


def test_a_stream_sends_each_turn_then_the_answer():
    with served(Scripted(LINES)) as there:
        chunks = list(there.ask(stream=True, stream_options={"include_usage": True}))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    told = [delta.model_extra.get("reasoning_content") for delta in deltas]
    assert [text for text in told if text] == [
        "Alice: Kim leads Zed, I think.\n",
        "Bob: Then it is <A> Kim </A>\n",
        "Alice: <A> Kim </A>\n",
    ]
    assert "".join(delta.content or "" for delta in deltas) == "Kim"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 14
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_turn_is_sent_before_the_next_one_is_made():
    gate = Gate()
    with served({"Alice": Scripted(LINES["Alice"]), "Bob": gate}) as there:
        stream = iter(there.ask(stream=True))
        assert next(stream).choices[0].delta.role == "assistant"
        assert "Alice: Kim" in next(stream).choices[0].delta.model_extra["reasoning_content"]
        assert not gate.opened.done()
        gate.open()
        assert any(chunk.choices[0].delta.content == "Kim" for chunk in stream)


def test_a_team_that_comes_to_no_answer_says_so():
    with served(Scripted(["no idea"])) as there:
        done = there.ask()
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == ("no idea", "length")
    assert done.model_extra["optima"]["stop"] == "max_turns"


def test_sampling_comes_from_the_request_and_limits_only_go_down():
    asked: list[Sampling] = []
    backend = FakeBackend(lambda request: asked.append(request.sampling) or "<A> Kim </A>")  # type: ignore[func-returns-value]
    with served(LLMPolicy(backend, Sampling(0.0, max_tokens=50))) as there:
        there.ask()
        there.ask(temperature=0.5, top_p=0.9, max_completion_tokens=7)
        there.ask(max_tokens=500)
    assert [(s.temperature, s.top_p, s.max_tokens) for s in asked[::2]] == [(0, 1, 50), (0.5, 0.9, 7), (0, 1, 50)]


def test_the_same_seed_gives_the_same_dialogue():
    with served(LLMPolicy(FakeBackend())) as there:
        one, same, other = (there.ask(seed=seed).model_extra["optima"]["dialogue"] for seed in (1, 1, 2))
    assert len(one) > 1
    assert one == same
    assert one != other


def test_the_page_shows_what_works(capsys):
    """The block of docs/servers.md, asked of this server."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    with served(Scripted(LINES)) as there:
        code = code.replace("http://127.0.0.1:8000/v1", there.url).replace('model="quickstart"', 'model="team"')
        exec(code, {})  # noqa: S102 - our own page
    assert capsys.readouterr().out.splitlines() == ["Kim", *(f"{a} {LINES[a][k]}" for a, k in TALK)]
