"""``optima rollout`` and ``optima eval`` with a log: what may be gone on with, what failed and why, tables whole."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from optima_agents import EpisodeLog
from optima_agents.backends.base import BackendError
from optima_agents.backends.fake import FakeBackend
from optima_agents.making import BACKENDS, POLICIES
from optima_agents.policy import Act
from optima_train.cli.main import main

FIXED = ("rollout", "twohop-asym", "--policy", "scripted:<A> x </A>", "-n", "4", "--out", "m.jsonl")


class Flaky(FakeBackend):
    """Fails while ``down`` is set, with a message of its own each time."""

    down = False
    calls = 0

    def __init__(self, model: str = "") -> None:
        super().__init__("<A> x </A>")

    async def complete(self, request):
        if Flaky.down:
            Flaky.calls += 1
            raise BackendError(f"the server is away \x1b[31m[/b] ({Flaky.calls})")
        return await super().complete(request)


class Stubborn:
    async def act(self, view, *, seed):
        return Act(view.no_such_word)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setitem(BACKENDS._items, "flaky", Flaky)
    monkeypatch.setitem(POLICIES._items, "stubborn", lambda text: Stubborn())
    Flaky.down, Flaky.calls = False, 0


@pytest.fixture
def optima(capsys: pytest.CaptureFixture[str]):
    def call(*args: object) -> tuple[int, str, str]:
        code = main(list(map(str, args)))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("--policy", "random"), "another team: "),
        (("--temperature", "0.1"), "another team: "),
        (("--max-tokens", "7"), "another team: "),
        (("--max-turns", "3"), "another settings: "),
        (("distractors=2",), "another settings: "),
        (("--split", "train"), "another settings: "),
    ],
)
def test_another_team_or_environment_is_refused(optima, change: tuple[str, ...], named: str):
    assert optima(*FIXED)[0] == 0
    before = Path("m.jsonl").read_bytes()
    code, _, told = optima(*FIXED, *change, "--resume")
    assert (code, told.count("\n")) == (2, 1)
    assert f"m.jsonl holds dialogues of {named}" in told
    assert "name another file" in told
    assert Path("m.jsonl").read_bytes() == before


def test_another_environment_is_refused(optima):
    optima(*FIXED)
    code, _, told = optima("rollout", "arith-debate", *FIXED[2:], "--resume")
    assert code == 2
    assert "dialogues of another env: 'optima/twohop-asym-v0', not 'optima/arith-debate-v0'" in told


def test_more_of_the_same_is_gone_on_with(optima):
    optima(*FIXED)
    code, out, _ = optima(*FIXED, "-n", "9", "--samples", "2", "--concurrency", "3", "--resume", "--json")
    row = json.loads(out)
    assert (code, row["n"], row["instances"]) == (0, 18, 9)
    assert len(EpisodeLog.read("m.jsonl")) == 18


def arithmetic(path: str, second: int) -> None:
    rows = [
        {"question": f"What is {n} plus {second}?", "answer": f"#### {n + second}"}
        for n in range(12)
    ]  # fmt: skip
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_data_file_that_was_replaced_is_refused(optima):
    command = ("rollout", "gsm8k-debate", "--data", "d.jsonl", "--policy", "random", "-n", "5", "--out", "g.jsonl")
    arithmetic("d.jsonl", 1)
    assert optima(*command)[0] == 0
    arithmetic("d.jsonl", 100)
    code, _, told = optima(*command, "-n", "9", "--resume")
    assert code == 2
    assert "dialogues of another data: " in told
    arithmetic("d.jsonl", 1)
    assert optima(*command, "-n", "9", "--resume")[0] == 0


def test_a_log_of_before_the_first_line_is_still_gone_on_with_but_not_on_other_questions(optima):
    command = ("rollout", "gsm8k-debate", "--data", "d.jsonl", "--policy", "random", "-n", "5", "--out", "g.jsonl")
    arithmetic("d.jsonl", 1)
    optima(*command)
    lines = Path("g.jsonl").read_text().splitlines(keepends=True)
    Path("g.jsonl").write_text("".join(lines[1:]))
    assert optima(*command, "-n", "6", "--resume")[0] == 0
    arithmetic("d.jsonl", 100)
    code, _, told = optima(*command, "-n", "9", "--resume")
    assert code == 2
    assert "g.jsonl has another question, or other golds, under" in told


def test_weights_that_were_replaced_under_the_same_name_are_refused(optima, random_model: Path):
    shutil.copytree(random_model, "model")
    command = ("rollout", "twohop-asym", "--policy", "hf:model", "-n", "1", "--max-turns", "1", "--max-tokens", "2")
    assert optima(*command, "--out", "m.jsonl")[0] == 0
    weights = next(Path("model").glob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    code, _, told = optima(*command, "--out", "m.jsonl", "-n", "2", "--resume")
    assert code == 2
    assert "dialogues of another models: {'hf:model': 'sha256:" in told


def test_secrets_do_not_get_into_a_log(optima, monkeypatch: pytest.MonkeyPatch):
    def keyed(model: str, *, api_key: str = "", hf_token: str = "", max_tokens: int = 3, tokenizer: str = ""):
        return FakeBackend("x")

    monkeypatch.setitem(BACKENDS._items, "keyed", keyed)
    options = ("api_key=sk-secret1", "hf_token=secret2", "max_tokens=5", "tokenizer=tiny")
    given = [part for option in options for part in ("--option", option)]
    code, _, told = optima("rollout", "twohop-asym", "--policy", "keyed:m", *given, "-n", "1", "--out", "k.jsonl")
    assert code == 0, told
    text = Path("k.jsonl").read_text()
    assert "secret" not in text
    first = json.loads(text.splitlines()[0])["holds"]["team"]["options"]
    assert first == {"api_key": "[hidden]", "hf_token": "[hidden]", "max_tokens": 5, "tokenizer": "tiny"}


@pytest.mark.parametrize("verb", ["rollout", "eval"])
@pytest.mark.parametrize("damage", ["not json\n", "\x00\x00\x00\n", '{"schema": 1}\n', "[]\n", '{"key": {}}\n'])
def test_a_damaged_line_is_named_and_nothing_hangs(optima, verb: str, damage: str):
    command = (verb, "twohop-asym", "--policy", "random", "-n", "3", "--out", "a.jsonl")
    optima(*command)
    with Path("a.jsonl").open("a") as log:
        log.write(damage)
    code, _, told = optima(*command, "-n", "4", "--resume")
    assert code == 2
    assert "a.jsonl, line 5: " in told


def test_an_empty_line_harms_nobody(optima):
    command = ("rollout", "twohop-asym", "--policy", "random", "-n", "3", "--out", "a.jsonl")
    optima(*command)
    with Path("a.jsonl").open("a") as log:
        log.write("\n")
    assert optima(*command, "-n", "5", "--resume")[0] == 0
    assert len(EpisodeLog.read("a.jsonl")) == 5


@pytest.mark.parametrize("verb", ["rollout", "eval"])
def test_what_is_no_log_is_not_touched(optima, verb: str):
    Path("notes.txt").write_text("my notes")
    for name in ("notes.txt", "/dev/full"):
        code, _, told = optima(verb, "twohop-asym", "--policy", "random", "-n", "1", "--out", name, "--resume")
        assert code == 2
        assert f"{name} is no " in told
    assert Path("notes.txt").read_text() == "my notes"


@pytest.mark.parametrize("verb", ["rollout", "eval"])
def test_an_outage_is_told_and_its_dialogues_are_asked_again(optima, verb: str):
    command = (verb, "twohop-asym", "--policy", "flaky:m", "-n", "3", "--concurrency", "1", "--out", "f.jsonl")
    Flaky.down = True
    code, out, _ = optima(*command)
    assert code == 1, "every dialogue failed"
    assert "3 of 3 failed: 3 backend (BackendError: the server is away " in out
    assert "\x1b" not in out
    assert "all of them failed; --resume --retry-failed plays them again" in out
    code, out, _ = optima(*command, "--resume", "--json")
    row = json.loads(out)
    assert (code, row["failures"], row["causes"]) == (1, 3, {"backend": 3})
    assert "the server is away" in row["reasons"]["backend"]
    Flaky.down = False
    code, out, _ = optima(*command, "--resume", "--json")
    assert (code, json.loads(out)["failures"], json.loads(out)["n"]) == (0, 0, 3)
    assert len(EpisodeLog.read("f.jsonl")) == 3


def test_what_the_policy_failed_in_is_played_again_when_asked_to(optima, monkeypatch: pytest.MonkeyPatch):
    command = ("rollout", "twohop-asym", "--policy", "stubborn", "-n", "3", "--out", "s.jsonl", "--json")
    code, out, _ = optima(*command)
    assert code == 1
    assert "no_such_word" in json.loads(out)["reasons"]["policy"]
    monkeypatch.setattr(Stubborn, "act", FakePolicy.act)
    code, out, _ = optima(*command, "--resume")
    assert (code, json.loads(out)["failures"]) == (1, 3)
    code, out, _ = optima(*command, "--resume", "--retry-failed")
    assert (code, json.loads(out)["failures"]) == (0, 0)


class FakePolicy:
    async def act(self, view, *, seed):
        return Act("fine")


def test_a_policy_that_always_fails_ends_the_command(optima):
    code, _, told = optima("eval", "twohop-asym", "--policy", "stubborn", "-n", "100")
    assert code == 1
    assert "the first 8 dialogues all failed in the policy: AttributeError" in told
    assert told.strip().splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("--retry-failed",), "--retry-failed is about dialogues in a log"),
        (("--resume",), "--resume goes on with a log; name it by --out"),
        (("--samples", "0"), "at least one"),
        (("--episode-timeout", "0"), "episode_timeout > 0"),
    ],
)
def test_arguments_that_cannot_be_meant(optima, args: tuple[str, ...], named: str):
    code, _, told = optima("rollout", "twohop-asym", "--policy", "random", *args)
    assert code == 2
    assert named in told


def test_a_team_file_and_a_policy_are_not_both_given(optima):
    Path("duo.yaml").write_text("policy: random\n")
    code, _, told = optima("rollout", "twohop-asym", "--team", "duo.yaml", "--policy", "fake:x", "-n", "1")
    assert code == 2
    assert "--policy fake:x and the policy random in duo.yaml: leave one of them out" in told
    Path("seats.yaml").write_text("sharing: full\nagents: {Bob: {policy: random}}\n")
    code, out, _ = optima("rollout", "twohop-asym", "--team", "seats.yaml", "--policy", "scripted:so", "-n", "1",
                          "--show", "1")  # fmt: skip
    assert code == 0
    assert "Alice (1): so" in out


LABELS = [
    "scripted:[/b]",
    "scripted:[bold red]x[/]",
    "scripted:\x1b]0;PWN\x07\x1b[2J",
    "scripted:" + "a very long label of a policy " * 4,
    "scripted:" + "x" * 200,
    "scripted:日本語" * 20,
    "scripted:two\nlines",
]


@pytest.mark.parametrize("label", LABELS, ids=range(len(LABELS)))
@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_label_breaks_a_table_or_costs_it_a_number(optima, monkeypatch: pytest.MonkeyPatch, label: str, width: int):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = optima("rollout", "twohop-asym", "--policy", label, "-n", "3", "--max-turns", "2")
    assert code == 0
    assert "\x1b" not in out
    assert "\x07" not in out
    table = out[out.index("team") :].splitlines()
    assert table[0].split() == ["team", "n", "score", "[95%]", "tokens", "turns", "fail", "sec"]
    assert re.search(r" 3 0\.000 \[0\.00, 0\.00\] +\d+\.\d +2\.0 +0 +\d+\.\d *$", table[1])
    letters = Counter("".join("".join(table[1:]).split()))
    wanted = Counter(c if c.isprintable() else "\ufffd" for c in label if not c.isspace())
    assert not wanted - letters, "every letter of the label is there"
