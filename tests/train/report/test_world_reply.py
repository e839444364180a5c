"""How reports draw what a world replies: apart from the agents' turns, and in no count of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.bench_run import write_bench
from support.browser import CHROMIUM, OPEN, PANES, browsing
from support.pages import unpacked
from support.runs import write_log, write_run

from benchmarks.report.dialogues import pack
from benchmarks.report.directory import load
from benchmarks.report.write import write as write_suite
from optima_agents import rollout
from optima_agents.scripted import solver
from optima_envs import scenario
from optima_envs.records import ENVIRONMENT
from optima_train.report.data import collect
from optima_train.report.write import write_report

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)")


def dialogues():
    scene: Any = scenario("twohop-search")
    return list(rollout(scene, solver(scene.task), episodes=3))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = write_run(tmp_path / "run")
    for path in folder.rglob("episodes.jsonl"):
        path.unlink()
    write_log(folder / "untrained/evaluate/episodes.jsonl", iter(dialogues()))
    return folder


def test_a_run_keeps_the_replies(run: Path):
    _, dialogues = collect(run)
    index, turns = unpacked(dialogues)
    assert index["agents"] == ["Alice", ENVIRONMENT]
    assert [[turn[0] for turn in said] for said in turns] == [[0, 1, 0, 1, 0]] * 3


@needs_browser
def test_a_reply_is_drawn_as_the_worlds(run: Path, tmp_path: Path):
    report = write_report(run)

    async def look() -> None:
        async with browsing(report, tmp_path / "profile") as page:
            await page.value(OPEN)
            assert await page.value(PANES)
            assert len(await page.texts(".turn")) == 5 and len(await page.texts(".turn.world")) == 2
            assert await page.texts(".turn.world .who span") == ["reply of the world"] * 2
            assert all("tokens" in text for text in await page.texts(".turn:not(.world) .who span"))
            assert "3 turns" in (await page.texts(".pane"))[0] and "5 turns" not in (await page.texts(".pane"))[0]
            assert "3 turns" in (await page.texts(".row .m"))[0]
            assert page.errors == []

    asyncio.run(look())


@needs_browser
def test_a_suite_draws_it_so_too(tmp_path: Path):
    bench = write_bench(tmp_path / "bench", envs=("twohop-search",), count=3, seeds=1)
    for folder in (bench / "cells").glob("*/*/*/*"):
        (folder / "episodes.jsonl").unlink()
        write_log(folder / "episodes.jsonl", iter(dialogues()))
    assert pack(load(bench)).shown > 0
    report = write_suite(bench)

    async def look() -> None:
        async with browsing(report, tmp_path / "profile") as page:
            drawn = "while (!document.querySelector('.turn.world')) await new Promise(requestAnimationFrame);"
            await page.value(f"(async () => {{ {drawn} }})()")
            assert "3 turns" in (await page.texts(".pane .facts"))[0]
            assert (await page.texts(".turn.world .who span"))[0] == "reply of the world"
            assert page.errors == []

    asyncio.run(look())
