"""``optima bench``: found through its entry point, whole with and without a file, and clear about what is wrong."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from support import small_suites
from support.faulty_server import answer, faulty_server
from support.small_suites import opened

from optima_train.cli.main import main

ROOT = Path(__file__).parents[3]
Call = Callable[..., tuple[int, str, str]]
FAST = (
    "--env",
    "twohop-asym",
    "--method",
    "small-right",
    "--method",
    "small-even",
    "--model",
    "opened:base",
    "-n",
    "4",
)


def install(site: Path, name: str, points: dict[str, str]) -> None:
    """What an installer leaves of a package's entry points."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    rows = "".join(f"{verb} = {target}\n" for verb, target in points.items())
    (info / "entry_points.txt").write_text(f"[optima.commands]\n{rows}")


@pytest.fixture
def optima(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """``optima("bench", ...)`` in an empty directory, with the entry points of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    install(tmp_path / "site", "ours", project["entry-points"]["optima.commands"])
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*args: object) -> tuple[int, str, str]:
        code = main(list(map(str, args)))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_the_verb_is_found_and_explains_itself(optima: Call, capsys: pytest.CaptureFixture[str]):
    _, overview, _ = optima("--help")
    assert "  bench       compare methods on the same instances" in overview
    assert "  optima bench --env twohop-asym" in overview
    with pytest.raises(SystemExit):
        optima("bench", "--help")
    shown = capsys.readouterr().out
    assert "example:" in shown
    assert "--dry-run" in shown
    code, _, told = optima("benhc")
    assert (code, told) == (2, "error: no verb 'benhc'; did you mean bench?\n")


def test_a_broken_package_takes_nobody_down(optima: Call, tmp_path: Path):
    install(tmp_path / "site", "theirs", {"dance": "no.such.module", "train": "no.such.module"})
    code, overview, _ = optima("--help")
    assert code == 0
    assert "dance       (no.such.module cannot be imported" in overview
    assert "train       train a team by a recipe" in overview  # a built-in verb cannot be replaced
    code, _, told = optima("dance")
    assert (code, told.count("\n")) == (2, 1)


def test_a_suite_on_the_command_line(optima: Call):
    code, table, _ = optima("bench", *FAST, "--seeds", "0,1", "sampling.temperature=0.3")
    assert code == 0
    out = Path("runs/bench/command-line")
    assert {path.name for path in out.iterdir()} >= {
        "cells", "env.json", "suite.resolved.yaml", "results.json", "summary.json", "report.html", "tables",
    }  # fmt: skip
    assert "small-right* [2 seeds]" in table
    assert "1.000 [1.00, 1.00]" in table
    assert "twohop-asym (4 instances)" in table
    assert str(out / "report.html") in table
    assert json.loads((out / "results.json").read_text())[0]["sampling"]["temperature"] == 0.3
    assert yaml.safe_load((out / "suite.resolved.yaml").read_text())["seeds"] == [0, 1]


def test_a_suite_in_a_file_and_only_some_of_it(optima: Call):
    Path("s.yaml").write_text(yaml.safe_dump(small_suites.small()))
    code, table, _ = optima("bench", "s.yaml", "--only", "small-even", "--out", "run", "--no-report", "instances=3")
    assert code == 0
    assert "small-even" in table
    assert "MISSING 1: small-right/twohop-asym/base/seed0: left out by --only" in table
    assert not Path("run/report.html").exists()
    opened.clear()
    code, table, _ = optima("bench", "s.yaml", "--out", "run", "--no-report", "-n", "3")
    assert (code, opened) == (0, ["base", "base closed"])
    assert "MISSING" not in table


def test_a_dry_run_shows_everything_and_writes_nothing(optima: Call):
    opened.clear()
    code, shown, _ = optima("bench", *FAST, "--method", "small-debater", "--method", "small-oracle", "--dry-run")
    assert (code, opened, list(Path().iterdir())) == (0, [], [])
    assert "3 cells:" in shown
    assert "small-oracle/twohop-asym/opened-base/seed0  4 episodes  (oracle)" in shown
    assert "not played: small-debater in twohop-asym: it is for debate environments" in shown
    code, shown, _ = optima("bench", "small", "--dry-run", "--model", "fake:x")
    assert code == 0
    assert "trained first where needed: isft-dpo-debate by arith-isft-dpo" in shown
    assert "backend=fake" in shown


def test_what_is_missing_is_said_and_the_exit_code_tells(optima: Call):
    code, table, _ = optima("bench", *FAST, "--model", "opened:absent", "--no-report")
    assert code == 1
    assert "MISSING 2: small-right/twohop-asym/opened-absent/seed0" in table
    assert "no such model" in table
    code, _, told = optima("bench", *FAST[:-4], "--model", "opened:absent", "--out", "other")
    assert code == 1
    assert "other has no results: model opened-absent: OSError: no such model" in told


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("--env", "twohop-asym", "--method", "self-consistancy"), "did you mean self-consistency"),
        (("--env", "twohop-asim"), "did you mean optima/twohop-asym-v0"),
        ((), "name a suite"),
        (("absent.yaml",), "packaged suites: "),
        (("small", "main"), "one suite at a time"),
        (("small", "--env", "twohop-asym"), "envs.0.id="),
        ((*FAST, "--seeds", "one"), "--seeds takes numbers"),
        ((*FAST, "--only", "small-rihgt"), "did you mean small-right"),
        ((*FAST, "colour=red"), "unknown key colour"),
        ((*FAST, "--concurrency", "3"), "optima bench --help"),
        (("methods",), "unknown key runs"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(optima: Call, command: tuple[str, ...], named: str):
    code, _, told = optima("bench", *command)
    assert code == 2
    assert named in told
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert not list(Path().iterdir())


def test_again_plays_a_method_anew_and_a_dry_run_tells_what_is_there(optima: Call, caplog: pytest.LogCaptureFixture):
    assert optima("bench", *FAST, "--no-report", "--only", "small-right")[0] == 0
    code, shown, _ = optima("bench", *FAST, "--dry-run")
    assert "small-right/twohop-asym/opened-base/seed0  4 episodes  played\n" in shown
    assert "small-even/twohop-asym/opened-base/seed0  4 episodes\n" in shown
    opened.clear()
    code, _, _ = optima("bench", *FAST, "--no-report", "--only", "small-right", "--again", "small-right")
    assert (code, opened) == (0, ["base", "base closed"])
    assert "small-right/twohop-asym/opened-base/seed0: its earlier episodes are dropped and played again" in caplog.text
    code, _, told = optima("bench", *FAST, "--again", "small-rihgt")
    assert code == 2
    assert "did you mean small-right" in told


def test_a_method_that_always_fails_is_told_with_its_reason_and_by_the_exit_code(optima: Call):
    command = ("bench", *FAST, "--method", "small-broken", "--no-report")
    code, table, _ = optima(*command)
    assert code == 1
    assert "small-broken: 4 of 4 episodes failed, scored 0: 4 method (ValueError: no such luck)" in table
    assert "(*: on the Pareto front, no fair method scores as much with fewer tokens)" in table
    assert "small-broken*" not in table


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_refuses_ends_its_model_at_once(optima: Call, status: int):
    with faulty_server() as server:
        server.script = [answer({"error": {"message": "no\x1b[31m such \x07key"}}, status)]
        model = f"openai:{server.url}#m"
        code, table, told = optima("bench", *FAST[:-4], "-n", "50", "--model", model, "concurrency=2", "--no-report")
        assert code == 1
        assert len(server.asked()) <= 3, "it is not asked again and again"
    said = table + told
    assert f"HTTP {status}: no" in said
    assert "\x1b" not in said
    assert "\x07" not in said
