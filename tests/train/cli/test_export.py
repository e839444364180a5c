"""optima export: environments and a real run, read back by the libraries their hubs use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optima_envs.documents import load_yaml
from optima_train.run.layout import RunDirectory


def front_matter(card: Path) -> dict:
    return load_yaml(card.read_text(encoding="utf-8").split("---\n")[1])


def test_an_environment_with_its_scores(optima, tmp_path: Path):
    done = optima("export", "arith-debate", "max_turns=4", "--to", "verifiers", "out/arith", "--scores", 2)
    assert done.returncode == 0, done.stderr
    assert "next: pip install out/arith && vf-eval optima-arith-debate-v0" in done.stdout
    card = (tmp_path / "out/arith/README.md").read_text()
    assert "| tiny, the embedded model | 2 |" in card and "| random words | 2 |" in card
    again = optima("export", "arith-debate", "--to", "openenv", "out/arith")
    assert (again.returncode, "out/arith exists; name a new folder" in again.stderr) == (2, True)
    for args, told in (
        (("arith-debate", "--to", "verifiers"), "name one folder to write"),
        (("arith-debate", "--to", "nowhere", "x"), "invalid choice: 'nowhere'"),
        (("no-such-env", "--to", "hf", "x"), "no-such-env"),
        (("twohop-asym", "distractor=3", "--to", "hf", "x"), "did you mean distractors?"),
    ):
        done = optima("export", *args)
        assert (done.returncode, told in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr
    assert not (tmp_path / "x").exists()


def test_a_run_becomes_a_model_and_a_data_set(optima, small: list[str], random_model: Path, tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    done = optima("train", "quickstart", *small, "--out", "run")
    assert done.returncode == 0, done.stderr
    done = optima("export", "run", "--to", "hf", "out")
    assert done.returncode == 0, done.stderr
    out, run = tmp_path / "out", RunDirectory(tmp_path / "run")
    head = front_matter(out / "model/README.md")
    assert (head["library_name"], head["license"], "base_model" in head) == ("transformers", "other", False)
    card = (out / "model/README.md").read_text()
    results = json.loads(run.results.read_text())
    assert f"| final | {results[-1]['n']} |" in card
    assert "optima eval optima/twohop-asym-v0 max_turns=3 --policy hf:FOLDER -n 100" in card
    weights = run.model / "model.safetensors"
    assert (out / "model/model.safetensors").read_bytes() == weights.read_bytes()
    assert not [path for path in out.rglob("*") if path.suffix in (".bin", ".pt", ".pkl", ".py")]
    found = datasets.load_dataset(str(out / "dialogues"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in found.items()} == {"train": 6, "test": 8}
    assert {turn["agent"] for row in found["test"] for turn in row["turns"]} == {"Alice", "Bob"}
    text = "".join(path.read_text() for path in out.rglob("*") if path.suffix in (".md", ".jsonl"))
    assert str(tmp_path) not in text and str(random_model.parent) not in text
    assert "Facts" not in text and "input_ids" not in text
    again = optima("eval", "twohop-asym", "--policy", f"hf:{out / 'model'}", "-n", 2, "--max-tokens", 8, "--json")
    assert again.returncode == 0, again.stderr
    refused = optima("export", "run", "--to", "verifiers", "other")
    assert (refused.returncode, "run is a run: it is exported with --to hf" in refused.stderr) == (2, True)
    refused = optima("export", "run", "--to", "hf", "untrained", "--iteration", -1)
    assert (refused.returncode, "which the run has not trained" in refused.stderr) == (2, True)


def test_agents_with_weights_of_their_own_stay_a_team(optima, small: list[str], tmp_path: Path):
    done = optima("train", "quickstart", *small, "train.sharing=full", "--out", "run")
    assert done.returncode == 0, done.stderr
    done = optima("export", "run", "--to", "hf", "out")
    assert done.returncode == 0, done.stderr
    assert "--team FOLDER" in (tmp_path / "out/model/README.md").read_text()
    played = optima("eval", "twohop-asym", "--team", "out/model", "-n", 2, "--max-tokens", 8, "--json")
    assert played.returncode == 0, played.stderr
    weights = [path.read_bytes() for path in (tmp_path / "out/model").rglob("*.safetensors")]
    assert len(weights) == 2 and weights[0] != weights[1]
