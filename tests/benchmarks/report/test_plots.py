"""Plots: files that read as what they are and come out the same twice; names that do not cover each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bench_run import HOSTILE, write_bench

from benchmarks.report.directory import load
from benchmarks.report.plot_labels import overlap, place, spread

pytest.importorskip("matplotlib", reason="plots as files need matplotlib (pip install 'optima-marl[plots]')")

from benchmarks.report import plots

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bench(tmp_path_factory.mktemp("plots") / "bench", envs=["twohop-asym"], count=6)


def test_every_environment_and_curve_is_drawn_twice_the_same(bench: Path):
    files = plots.write(load(bench))
    stems = ["score-tokens-twohop-asym", "coverage-twohop-asym", "iterations"]
    assert [path.name for path in files] == [f"{stem}{suffix}" for stem in stems for suffix in (".svg", ".png")]
    first = {path: path.read_bytes() for path in files}
    for path, data in first.items():
        if path.suffix == ".png":
            assert data.startswith(PNG) and len(data) > 5_000
        else:
            drawn = ElementTree.fromstring(data)  # noqa: S314 - our own file
            assert drawn.tag.endswith("svg") and b"<dc:date>" not in data
            assert len(list(drawn.iter("{http://www.w3.org/2000/svg}path"))) > 20
    plots.write(load(bench))
    assert {path: path.read_bytes() for path in files} == first


def test_hostile_labels_are_drawn_as_text(bench: Path, tmp_path: Path):
    summary = json.loads((bench / "summary.json").read_text())
    rows = summary["rows"][:3]
    for row in rows:
        row["label"] = row["env"] = HOSTILE[:90] + " $\\frac{1}$"
    curve = {"id": HOSTILE, "title": HOSTILE, "env": None, "x_label": HOSTILE, "y_label": None, "log_x": True}
    line = {"label": HOSTILE, "x": [0, 1, 10], "y": [0.1, 0.2, 0.3], "low": None, "high": None}
    drawn = {**curve, "series": [line, {**line, "x": [], "y": []}]}
    (tmp_path / "summary.json").write_text(json.dumps({"rows": rows, "curves": [drawn]}))
    files = plots.write(load(tmp_path))
    assert len(files) == 4 and all(path.parent == tmp_path / "plots" for path in files)
    for path in files:
        if path.suffix == ".svg":
            ElementTree.fromstring(path.read_bytes())  # noqa: S314 - our own file


def test_degenerate_numbers_are_drawn(tmp_path: Path):
    row = {"label": "a", "block": "new", "env": "e", "model": "m", "score": 0.0, "tokens": 0}
    flat = {"label": "s", "x": [4], "y": [0.0], "low": [0.0], "high": [0.0]}
    curve = {"id": "c", "title": "c", "log_x": True, "series": [flat]}
    nothing = {"id": "d", "title": "d", "log_x": True, "series": []}
    rows = [row, {**row, "label": "b"}, {**row, "label": "c", "score_ci": [0.0, 0.0], "tokens_ci": [0, 0]}]
    (tmp_path / "summary.json").write_text(json.dumps({"rows": rows, "curves": [curve, nothing]}))
    assert all(path.stat().st_size > 1_000 for path in plots.write(load(tmp_path)))


def test_names_stand_beside_their_points_and_apart():
    points = [(100.0, 100.0), (104.0, 100.0), (100.0, 108.0), (300.0, 100.0), (395.0, 190.0)]
    boxes = place(points, [(60.0, 12.0)] * len(points), (0.0, 0.0, 400.0, 200.0), gap=12)
    assert all(overlap(first, second) == 0 for first, second in combinations(boxes, 2))
    for box, point in zip(boxes, points, strict=True):
        assert overlap(box, (0.0, 0.0, 400.0, 200.0)) == pytest.approx(720)
        assert max(box[0] - point[0], point[0] - box[2], box[1] - point[1], point[1] - box[3]) < 60


def test_where_nothing_is_free_every_point_still_has_a_name():
    points = [(5.0, 5.0)] * 40
    assert len(place(points, [(60.0, 12.0)] * 40, (0.0, 0.0, 10.0, 10.0), gap=12)) == 40


@given(st.lists(st.floats(0, 100), max_size=12))
def test_spread_names_keep_order_and_distance(wanted: Sequence[float]):
    got = spread(wanted, 5, 0, 100)
    assert all(-1e-6 <= height <= 100 + 1e-6 for height in got)
    ordered = sorted(got)
    assert all(after - before >= 5 - 1e-6 for before, after in pairwise(ordered))
    ranks = sorted(range(len(wanted)), key=lambda i: wanted[i])
    assert [got[i] for i in ranks] == ordered
