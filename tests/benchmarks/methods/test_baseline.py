"""The session under every baseline: seeds, counts and blocks are the same for all, whatever a method does."""

from __future__ import annotations

import asyncio

import pytest
from support.recording import Recorder, debate, exchange, play, recorded

from benchmarks.methods.baseline import BASELINES, METHODS, Baseline, Session, baseline
from optima_agents import LLMPolicy, Sampling, rollout
from optima_agents.backends.base import BackendError, Completion
from optima_agents.backends.fake import FakeBackend
from optima_envs.records import MAX_UTTERANCE, Episode, EpisodeKey, ErrorInfo
from optima_envs.registry import UnknownName
from optima_envs.scenario import scenario

CHOICES = {"mode": ("a", "b")}
KINDS = Baseline("kinds", lambda session: session.dialogue(), defaults={
    "n": 8, "seed": 0, "temperature": 0.7, "limit": None, "mode": "a", "flag": True, "text": "x",
}, choices=CHOICES)  # fmt: skip


async def free(session: Session) -> str | None:
    return None


def session(backend, method: Baseline | None = None, scene=None, **options) -> Session:
    scene = scene or exchange()
    method = method or Baseline("free", free)
    return Session(method, scene, scene.task[0], EpisodeKey("q0"), backend, Sampling(0.0), options)


@pytest.mark.parametrize("name", METHODS)
def test_every_row_of_the_catalogue_is_the_baseline_it_names(name: str):
    found = BASELINES[name]
    assert found.name == name
    assert found.block in {"fair", "oracle", "feedback"}
    assert found.settings() == dict(found.defaults)
    assert found.settings(found.defaults) == dict(found.defaults), "defaults pass their own checks"


def test_an_unknown_baseline_is_refused_with_the_nearest_names():
    with pytest.raises(UnknownName, match="did you mean self-consistency"):
        BASELINES["self-consistancy"]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("m", 1, "takes no option m; its options: n, seed"),
        ("n", 0, "n must be a whole number of at least 1, got 0"),
        ("n", 2.5, "n must be a whole number"),
        ("n", True, "n must be a whole number"),
        ("n", "8", "n must be a whole number"),
        ("seed", -1, "seed must be a whole number of at least 0"),
        ("temperature", -0.1, "temperature must be a number of at least 0"),
        ("temperature", float("nan"), "temperature must be a number"),
        ("temperature", None, "temperature must be a number"),
        ("limit", "all", "limit must be a number of at least 0, or null"),
        ("mode", "c", "mode must be one of a, b, got 'c'"),
        ("flag", 1, "flag must be a bool"),
        ("text", ["x"], "text must be a str"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_runs(option: str, value, message: str):
    with pytest.raises((TypeError, ValueError), match=message):
        session(FakeBackend(), KINDS, **{option: value})


def test_fitting_options_go_over_the_defaults():
    given = {"n": 1, "seed": 0, "temperature": 0, "limit": 64, "mode": "b", "flag": False, "text": ""}
    assert KINDS.settings(given) == given
    assert KINDS.settings({"limit": None}) == dict(KINDS.defaults)


def test_an_oracle_is_fair_where_it_sees_nothing_more():
    oracle = Baseline("o", free, block="oracle", defaults={"context": "full"})
    assert oracle.block_in("exchange") == "oracle"
    assert oracle.block_in("debate") == "fair"
    assert oracle.block_in("exchange", {"context": "half"}) == "fair"
    assert Baseline("f", free, block="feedback").block_in("debate") == "feedback"


def test_the_whole_context_and_the_score_are_for_methods_marked_so():
    with pytest.raises(RuntimeError, match="block='oracle'"):
        session(FakeBackend()).whole_context()
    assert session(FakeBackend(), scene=debate()).whole_context() == ""
    full = session(FakeBackend(), Baseline("o", free, block="oracle")).whole_context()
    assert full == "SECRET-Alice\nSECRET-Bob"
    with pytest.raises(RuntimeError, match="block='feedback'"):
        asyncio.run(session(FakeBackend(), Baseline("o", free, block="oracle")).solved("teal"))


@pytest.mark.parametrize(
    "scene",
    [
        exchange(),
        exchange(("Alice", "Bob", "Carol"), max_turns=7),
        exchange(("Alice", "Bob", "Carol"), order="simultaneous"),
        exchange(token_budget=40),
        debate(answer_format="tag"),
        scenario("twohop-search"),
        scenario("arith-plan", max_turns=5),
    ],
    ids=["two", "three", "simultaneous", "budget", "debate", "tools", "plan"],
)
def test_the_dialogue_is_turn_for_turn_a_rollout(scene):
    sampling = Sampling(0.7, 0.9, 30)
    [rolled] = rollout(scene, LLMPolicy(FakeBackend(), sampling), episodes=1, seed=3)
    one = Session(BASELINES["dialogue"], scene, scene.task[0], rolled.key, FakeBackend(), sampling)
    played = recorded(one, asyncio.run(one.dialogue()))
    assert [(t.agent, t.text, t.tokens, t.usage) for t in played.turns] == [
        (t.agent, t.text, t.tokens, t.usage) for t in rolled.turns
    ]
    assert (played.outcome, played.score, played.key) == (rolled.outcome, rolled.score, rolled.key)
    assert played.info["calls"] == len(rolled.spoken) and played.tokens == rolled.tokens


def test_a_dialogue_of_several_attempts_is_feedback_and_says_so():
    once, twice = scenario("twohop-search"), scenario("twohop-search", attempts=2)
    for scene, block in ((once, "fair"), (twice, "feedback")):
        one = Session(BASELINES["dialogue"], scene, scene.task[0], EpisodeKey("x"), FakeBackend(), Sampling())
        assert one.block == block
    alone = Session(BASELINES["self-consistency"], twice, twice.task[0], EpisodeKey("x"), FakeBackend(), Sampling())
    assert alone.block != "feedback"  # it never plays the dialogue that would tell it
    unmarked = Session(Baseline("u", free), twice, twice.task[0], EpisodeKey("x"), FakeBackend(), Sampling())
    with pytest.raises(RuntimeError, match="told whether its answer is right; mark it plays=True"):
        asyncio.run(unmarked.dialogue())


class Jittery(FakeBackend):
    """Replies after a number of loop turns that depends on how the day goes."""

    def __init__(self, day: int) -> None:
        super().__init__()
        self.day = day

    async def complete(self, request):
        for _ in range(request.seed * self.day % 7):
            await asyncio.sleep(0)
        return await super().complete(request)


def test_attempts_do_not_depend_on_which_reply_comes_first():
    scene = exchange(max_turns=4)
    records = []
    for day in (0, 1, 3):
        one = session(Jittery(day), scene=scene)
        answers = asyncio.run(one.attempts(0, 3, lambda part: part.dialogue(temperature=1.0)))
        records.append((answers, [(turn.agent, turn.text) for turn in one.turns]))
    assert records[0] == records[1] == records[2]
    assert len({text for _, text in records[0][1]}) > 3, "attempts have seeds of their own"


def test_attempt_number_i_is_what_the_method_played_once_draws_as_sample_i():
    def echo(request) -> str:
        return f"seed {request.seed} after {len(request.messages)}"

    scene = exchange(max_turns=4)
    single = [play("dialogue", scene, echo, sample=sample).episode for sample in (0, 1, 2)]
    many = session(Recorder(echo), scene=scene)
    asyncio.run(many.attempts(0, 3, lambda part: part.dialogue()))
    assert [turn.text for turn in many.turns] == [turn.text for one in single for turn in one.turns]


def test_all_calls_end_before_a_failure_is_raised_and_stay_in_the_record():
    def reply(request):
        if request.messages[0]["content"] == "second":
            raise BackendError("no")
        return "fine"

    one = session(Recorder(reply))
    asks = [one.ask("Alice", [{"role": "user", "content": text}]) for text in ("first", "second", "third")]
    with pytest.raises(BackendError, match="no"):
        asyncio.run(one.together(asks))
    failed = one.record(ErrorInfo("backend", "no"), 0.0)
    assert [turn.text for turn in failed.turns] == ["fine", "fine"]
    assert (failed.info["calls"], failed.score, failed.outcome.stop) == (3, 0.0, "error")


def test_a_failed_attempt_leaves_the_calls_of_all_attempts():
    async def attempt(part: Session) -> None:
        await part.ask("Alice", [])
        if part.key.sample == 1:
            raise BackendError("no")

    one = session(Recorder(["fine"]))
    with pytest.raises(BackendError):
        asyncio.run(one.attempts(0, 3, attempt))
    assert len(one.turns) == 3


def test_a_message_no_model_wrote_is_counted_but_is_no_call():
    class Tokenizing(Recorder):
        def encode(self, text: str) -> list[int]:
            return list(text.encode())

        def render(self, messages) -> list[int]:
            return []

    by_words, by_tokens = session(Recorder(["x"])), session(Tokenizing(["x"]))
    assert by_words.say("Alice", "two words").tokens == 2
    assert by_tokens.say("Alice", "two words").tokens == 9
    done = recorded(by_words, "teal")
    assert (done.tokens, done.info["calls"], len(done.turns)) == (2, 0, 1)


def test_an_endless_reply_is_cut_and_nothing_of_it_is_lost_silently():
    class Endless(FakeBackend):
        async def complete(self, request):
            return Completion("a" * (MAX_UTTERANCE + 5), 9)

    turn = asyncio.run(session(Endless()).ask("Alice", []))
    assert (len(turn.text), turn.finish, turn.tokens) == (MAX_UTTERANCE, "length", 9)


def test_replies_that_cannot_be_read_are_counted():
    one = session(FakeBackend())
    assert one.answer_in("<A> teal </A>") == "teal"
    assert one.answer_in("teal") is None
    assert one.parsed(3) == 3
    assert one.parsed(None) is None
    done = recorded(one, "teal")
    assert (done.info["unparsed"], done.correct, done.info["block"]) == (2, True, "fair")
    assert Episode.from_json(done.to_json()) == done


def test_the_decorator_registers_a_method_with_its_options():
    @baseline("test-decorated", block="oracle", families=["exchange"], n=2)
    async def method(session: Session) -> str | None:
        return (await session.ask("Bob", session.prompt("Bob"))).text

    assert BASELINES["test-decorated"] == Baseline("test-decorated", method, "oracle", {"n": 2}, ("exchange",))
    assert play("test-decorated", exchange(), ["teal"]).agents == ["Bob"]
