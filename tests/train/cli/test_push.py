"""--push: one line for a run without a model and for a machine without a login; nothing is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from optima_train.cli import UserError
from optima_train.cli.train import upload
from optima_train.run.stage import StageError


def test_a_run_without_a_model_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="holds no trained model to push"):
        upload(Console(), tmp_path, "me/team")


def test_without_a_login_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub, "get_token", lambda: None)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    with pytest.raises(StageError, match="not logged in to the hub"):
        upload(Console(), tmp_path, "me/team")
