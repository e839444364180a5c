"""Pushing to the hub without a login, a network or a model: each is said in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from optima_train.run.stage import StageError
from optima_train.training.hub import push

PUSH = (
    "import sys; from pathlib import Path; from optima_train.training.hub import push; "
    "push(Path(sys.argv[1]), 'me/model')"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("login", "message"),
    [
        ({}, "cannot push to me/model: not logged in to the hub; run `hf auth login` or set HF_TOKEN"),
        ({"HF_TOKEN": "hf_x", "HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot push to me/model: "),
    ],
    ids=["no login", "no network"],
)
def test_a_push_that_cannot_work_says_why(login: dict[str, str], message: str, model: Path, tmp_path: Path) -> None:
    environment = {"HF_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", **login}
    done = subprocess.run(
        [sys.executable, "-c", PUSH, str(model)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1].startswith(f"optima_train.run.stage.StageError: {message}")


def test_a_folder_without_a_model_and_a_bad_name_are_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(StageError, match="holds no model to push"):
        push(tmp_path, "me/model")
    with pytest.raises(StageError, match="cannot push to 'a/b/c': Repo id must be"):
        push(model, "a/b/c")


def test_an_adapter_of_a_folder_here_is_of_no_use_elsewhere(tmp_path: Path, model: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(model)}))
    with pytest.raises(StageError, match="which nobody else has; push a whole model"):
        push(tmp_path, "me/model")
