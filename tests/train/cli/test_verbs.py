"""The verbs that end well, each as a user would call it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.runs import write_run

import optima_envs
from optima_train.cli.main import main
from optima_train.cli.verbs import VERBS, described, module_of, parser_of
from optima_train.config.describe import settings

Optima = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str], verb: str):
    with pytest.raises(SystemExit, match="0"):
        main([verb, "--help"])
    shown = capsys.readouterr().out
    summary, example = described(module_of(verb))
    assert f"example:\n  {example}\n" in shown
    assert summary[1:] in shown and len(summary) < 80 and "\n" not in summary


@pytest.mark.parametrize("verb", VERBS)
def test_the_examples_are_commands(verb: str):
    """Each parses as it is: a renamed option would be found here."""
    name, called, *args = described(module_of(verb))[1].split()
    assert (name, called) == ("optima", verb)
    parser_of(verb, module_of(verb)).parse_intermixed_args(args)


@pytest.mark.parametrize(("command", "missing"), [(("train",), "recipe"), (("eval",), "env"), (("rollout",), "env")])
def test_what_is_required_is_named_and_nothing_else(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...], missing: str
):
    assert main(command) == 2
    assert f"error: the following arguments are required: {missing}; see optima" in capsys.readouterr().err


def test_settings_are_listed_with_default_and_meaning(capsys: pytest.CaptureFixture[str]):
    def shown_by(*command: str) -> str:
        assert main(command) == 0
        return capsys.readouterr().out

    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = capsys.readouterr().out
    assert re.search(r"^  train.learning_rate=2.0e-05 +The highest one", shown, re.MULTILINE)
    listed = shown_by("config", "show")
    assert listed.strip() in shown
    told = {line.split("=")[0].strip() for line in listed.splitlines() if "=" in line}
    assert told >= {setting.key for setting in settings()}
    assert max(map(len, listed.splitlines())) <= 100
    recipe = shown_by("config", "show", "2wmh-isft", "train.lora={}", "seed=7")
    assert "  seed=7 (default 0)" in recipe and "  train.lora.rank=16 " in recipe
    some = shown_by("config", "show", "2wmh-isft", "train.lora", "reward", "model", "train.lora={}")
    assert {line.split("=")[0].partition(".")[0] for line in some.splitlines() if line[0] != " "} == {
        "train",
        "reward",
        "model",
    }
    assert "train.lora.rank=16  (whole number)\n    " in some
    assert "reward.weights={task: 1.0, tokens: 0.6, readability: 1.0}  (mapping)" in some
    assert "model=meta-llama/Meta-Llama-3-8B-Instruct  (text; no default)" in some
    for wrong in (("2wmh-isft", "sed=7"), ("seed=7",), ("2wmh-isft", "2wmh-idpo"), ("trian",), ("train.learnin_rate",)):
        assert main(["config", "show", *wrong]) == 2
    capsys.readouterr()
    for wrong, meant in (("itterations", "iterations"), ("train.learnin_rate", "train.learning_rate"),
                         ("quickstrat", "quickstart")):  # fmt: skip
        assert main(["config", "show", wrong]) == 2
        assert f"did you mean {meant}" in capsys.readouterr().err
    assert {"extends", "train", "model"} <= json.loads(shown_by("config", "schema"))["properties"].keys()


def test_the_overview_shows_every_verb_and_an_example(optima: Optima):
    shown = optima("--help").stdout
    for verb in VERBS:
        summary, example = described(module_of(verb))
        assert f"  {verb:<11} {summary}\n" in shown and f"  {example}\n" in shown


def test_rollout_and_its_log(optima: Optima, tmp_path: Path):
    command = (
        "rollout",
        "twohop-asym",
        "--policy",
        "random",
        "-n",
        "4",
        "--samples",
        "2",
        "--json",
        "--out",
        "log.jsonl",
    )
    first = optima(*command)
    assert json.loads(first.stdout)["n"] == 8, first.stderr
    log = (tmp_path / "log.jsonl").read_bytes()
    again = optima(*command, "--resume")
    assert json.loads(again.stdout) | {"seconds": 0} == json.loads(first.stdout) | {"seconds": 0}
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_eval_is_on_held_out_instances(optima: Optima):
    done = optima("eval", "arith-debate", "--policy", "scripted:It is \\boxed{7} <A> 7 </A>", "-n", "30", "--json")
    row = json.loads(done.stdout)
    assert row["n"] == 30
    assert row["score_ci"][0] <= row["score"] <= row["score_ci"][1]


def test_a_person_takes_a_seat(optima: Optima):
    done = optima(
        "play", "twohop-asym", "--policy", "scripted:<A> red </A>", "--seat", "Alice", text="hello\n<A> red </A>\n"
    )
    assert done.returncode == 0, done.stderr
    assert "You are Alice" in done.stdout
    assert "[answered] answer: red" in done.stdout


def test_report_and_resume_of_a_run(optima: Optima, tmp_path: Path):
    write_run(tmp_path / "run")
    assert optima("report", "run").stdout.strip().endswith("report.html")
    assert (tmp_path / "run" / "report.html").stat().st_size > 20_000


def test_dry_run_writes_nothing(optima: Optima, tmp_path: Path):
    done = optima("train", "quickstart", "--dry-run", "iterations=2")
    assert "it001/evaluate" in done.stdout
    assert "it002" not in done.stdout
    assert not list(tmp_path.iterdir())


def test_doctor_says_how_to_get_what_is_missing(optima: Optima):
    done = optima("doctor")
    assert done.returncode == 0, done.stdout
    for line in done.stdout.splitlines():
        assert not line.startswith("none") or "get it: pip install " in line


def test_envs_list_and_show(optima: Optima):
    assert "optima/2wmh-asym-v0" in optima("envs").stdout
    shown = optima("envs", "show", "twohop-asym").stdout
    assert "only Alice sees" in shown
    assert "only Bob sees" in shown


def test_an_environments_settings_are_shown(capsys: pytest.CaptureFixture[str]):
    assert main(["envs", "show", "twohop-asym"]) == 0
    shown = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    rows = {name: rest for name, rest in shown if name != "The"}  # but for the facts of the instance
    taken = optima_envs.settings("twohop-asym")
    assert list(rows) == [item.name for item in taken]
    for item in taken:
        assert rows[item.name].startswith(repr(item.default))
        assert rows[item.name].endswith(item.meaning)


def test_what_an_instance_holds_is_drawn_not_obeyed(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    escape = "\x1b[2J\x07"
    row = {"_id": f"i{escape}", "question": f"q{escape}\nonly Bob sees:", "answer": f"a{escape}", "type": "x",
           "context": [["A", [f"s{escape}"]], ["B", ["t"]]], "supporting_facts": [["A", 0], ["B", 0]]}  # fmt: skip
    (tmp_path / "x.jsonl").write_text(json.dumps(row), encoding="utf-8")
    assert main(["envs", "show", "2wmh-asym", "--data", str(tmp_path / "x.jsonl")]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\x07" not in shown
    assert "\nonly Bob sees:" not in shown
