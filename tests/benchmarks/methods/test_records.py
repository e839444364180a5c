"""Every baseline of the catalogue over real records of all environments, with a model that says anything; and no
baseline that calls itself fair shows an agent what another one holds."""

from __future__ import annotations

from typing import Any, cast

import pytest
from support.recording import debate, exchange, play
from support.worlds import DATA, FILES, WORLDS

from benchmarks.methods.baseline import BASELINES, METHODS
from optima_envs import scenario
from optima_envs.records import Episode

ENVS = [*WORLDS, *FILES]
SAYS = (
    "I do not know.",
    "",
    "<A> 7 </A>",
    "So it is \\boxed{7}, (B) or <A> B </A>.",
    "No issue.",
    '{"decision": "yes", "answer": "7", "confidence": 80}',
    '{"answer": ',
    "[2, 1] \\boxed{\\frac{1}{2}} <A> yes </A>",
    "<think> \\boxed{8} <A> 8 </A>",
    "Confidence: 900\n<A>\u202e7\x00</A> {partners} {0} %s",
)


def anything(request) -> str:
    return SAYS[request.seed % len(SAYS)]


@pytest.fixture(scope="module", params=ENVS)
def scene(request: pytest.FixtureRequest):
    if request.param in WORLDS:
        return scenario(request.param)
    if not (DATA / FILES[request.param]).is_file():
        pytest.skip("the real records (../shared/data) are not here")
    return scenario(request.param, data=DATA / FILES[request.param])


@pytest.mark.parametrize("name", METHODS)
def test_every_baseline_plays_every_environment_it_is_for(scene, name: str):
    method = BASELINES[name]
    family = scene.rules.view(scene.task[0], (), scene.rules.agents[0]).family
    if method.families and family not in method.families:
        pytest.skip(f"{name} is for {method.families}")
    for index in range(0, min(len(scene.task), 40), 8):
        done = play(name, scene, anything, index=index, temperature=0.7).episode
        assert done.error is None
        assert 0.0 <= done.score <= 1.0
        assert done.info["calls"] >= 1
        assert 0 <= done.info["unparsed"] <= len(done.turns)
        assert done.info["block"] == method.block_in(family)
        assert Episode.from_json(done.to_json()).tokens == done.tokens
        silent = play(name, scene, [""], index=index).episode
        assert (silent.score, silent.correct, silent.outcome.answer) == (0.0, False, None)
        assert silent.info["unparsed"] >= 1


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("agents", [("Alice", "Bob"), ("Ann", "Ben", "Cleo")], ids=["two", "three"])
def test_a_fair_baseline_shows_no_agent_what_another_holds(agents: tuple[str, ...], name: str):
    method = BASELINES[name]
    if method.block != "fair" or method.families == ("debate",) or name == "context-dump":
        pytest.skip("not for exchanges, or private text is what its protocol shows")
    for sample in range(len(SAYS)):
        done = play(name, exchange(agents), anything, sample=sample)
        for speaker, request in zip(done.agents, done.requests, strict=True):
            others = [f"SECRET-{agent}" for agent in agents if not speaker.startswith(agent)]
            text = "\n".join(message["content"] for message in request.messages)
            assert not [secret for secret in others if secret in text], speaker


@pytest.mark.parametrize("name", METHODS)
def test_answers_are_asked_for_in_the_environments_own_form(name: str):
    tags, boxes = "<A> answer </A>", "\\boxed{answer}"
    families = BASELINES[name].families
    scenes = [debate(), debate(answer_format="tag")] if families != ("exchange",) else []
    scenes += [exchange(answer_format="boxed"), exchange()] if families != ("debate",) else []
    for scene in scenes:
        right, wrong = (boxes, tags) if cast("Any", scene.rules).answer_format == "boxed" else (tags, boxes)
        done = play(name, scene, anything)
        asked = [message["content"] for request in done.requests for message in request.messages]
        assert any(right in text for text in asked)
        assert not any(wrong in text for text in asked)
