"""A model with the embedded one's tokenizer and random weights (real code paths, no skill, seconds to run), and the
command line as a child process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.random_llama import save_random_llama
from support.rows import preference_row
from support.runs import settings

from optima_train.config.loading import load
from optima_train.run.engines import Engines, ModelRef
from optima_train.run.layout import RunDirectory
from optima_train.run.progress import silent
from optima_train.run.records import write_records
from optima_train.run.stage import StageContext, Step
from optima_train.training.dpo import Dpo

pytest.importorskip("torch")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from optima_train.tiny.pretrain import world_texts
    from optima_train.tiny.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(world_texts(0, 40))
    folder = tmp_path_factory.mktemp("model")
    return save_random_llama(
        folder, tokenizer, num_attention_heads=2, max_position_embeddings=1024, tie_word_embeddings=True
    )


@pytest.fixture
def small(random_model: Path) -> list[str]:
    return settings(random_model)


@pytest.fixture
def dpo_context(tmp_path: Path, small: list[str], random_model: Path) -> Callable[..., StageContext]:
    """What the preference stage of an iteration is given: its pairs on the disk, in a batch of four."""

    def make(pairs: list[dict], *overrides: str, policy: ModelRef | None = None, iteration: int = 0) -> StageContext:
        batch = ["dpo.batch_size=4", "dpo.micro_batch=4", "dpo.learning_rate=1e-3"]
        config, step = load("quickstart", [*small, *batch, *overrides]), Step(iteration, Dpo())
        folder = RunDirectory(tmp_path).of_iteration(iteration, "pairs")
        folder.path.mkdir(parents=True, exist_ok=True)
        write_records(folder.pairs, map(preference_row, pairs))
        base = ModelRef(str(random_model))
        return StageContext(config, tmp_path, step, policy or base, base, Engines(config), silent)

    return make


@pytest.fixture
def optima(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``optima("train", "x", ...)`` in an empty directory."""

    def call(*args: object, text: str = "") -> subprocess.CompletedProcess[str]:
        code = "import sys; from optima_train.cli.main import main; sys.exit(main())"
        env = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-c", code, *map(str, args)]
        return subprocess.run(command, env=env, cwd=tmp_path, input=text, capture_output=True, text=True, timeout=300)

    return call
