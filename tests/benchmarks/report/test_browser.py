"""The page of a suite in headless Chromium: it loads, sorts, filters and opens dialogues, wide, narrow and dark."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from support.bench_run import METHODS, write_bench, write_many
from support.browser import CHROMIUM, COUNTED, OPEN, PANES, Page, browsing

from benchmarks.report import page as pages
from benchmarks.report.directory import load

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)")

# the texts of a column, block by block
COLUMN = """[...document.querySelectorAll('{} tbody')].map((block) =>
  [...block.querySelectorAll('tr:not(.group)')].map((row) => row.cells[{}].textContent))"""
TABLE = "#envs .env:first-child table"

Look = Callable[[Page], Awaitable[None]]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pages.write(load(write_bench(tmp_path_factory.mktemp("page") / "bench", count=12)))


@pytest.fixture(scope="module")
def look_at(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., None]]:
    """``look_at(look, width=..., height=...)``: one browser for all tests, a new tab for each."""
    with asyncio.Runner() as runner:
        browser = browsing(report, tmp_path_factory.mktemp("profile"))
        page = runner.run(browser.__aenter__())

        async def run(look: Look, path: Path, width: int, height: int) -> None:
            page.errors.clear()
            await page.open(path, width, height)
            await page.value(OPEN)
            assert await page.value(PANES)
            await look(page)
            assert page.errors == []

        def opened(look: Look, *, path: Path = report, width: int = 1280, height: int = 900) -> None:
            runner.run(run(look, path, width, height))

        yield opened
        runner.run(browser.__aexit__(None, None, None))


async def choose(page: Page, name: str, value: str) -> None:
    changed = "s.dispatchEvent(new Event('change', {bubbles: true}))"
    await page.value(f"((s) => {{ s.value = {json.dumps(value)}; {changed}; }})(document.getElementById('f-{name}'))")
    assert await page.value(f"document.getElementById('f-{name}').value") == value
    assert await page.value(PANES)


def test_it_shows_everything_and_runs_no_hostile_text(look_at):
    async def look(page: Page) -> None:
        assert await page.value("document.title") == "Optima benchmark: demo"  # hostile text would set it to PWNED
        assert await page.texts("#count") == ["324 of 324 dialogues"]
        assert await page.texts(".env h2") == ["twohop-asym", "arith-debate"]
        assert "debate/arith-debate/tiny/seed1: stopped by the user" in (await page.texts("#missing"))[0]
        assert await page.texts(".lacks") == ["1 run missing"]
        assert "solver-critic on twohop-asym" in (await page.texts("#not-for"))[0]
        assert await page.value("document.querySelectorAll('.env figure svg[role=img]').length") == 2
        assert len(await page.texts(".env:first-child figure svg .name")) == len(METHODS)
        assert await page.value("document.querySelectorAll('#plots svg[role=img]').length") == 3
        assert "4.0%" in (await page.texts("#plateaus"))[0]
        await choose(page, "text", "")
        await page.value("document.getElementById('f-text').value = 'twohop-test-0-2-5-3'")
        await choose(page, "method", "debate")
        assert "</script><script>" in (await page.texts(".pane .turns"))[0]
        assert await page.value("document.images.length") == 0

    look_at(look)


def test_tables_sort_within_their_blocks(look_at):
    async def look(page: Page) -> None:
        heads = await page.texts(f"{TABLE} thead th")
        assert heads[:4] == ["method", "model", "score", "tokens"]
        assert {"prompt tokens", "cached", "calls", "failures", "unparsed", "front"} <= set(heads)
        assert [text.split(":")[0] for text in await page.texts(f"{TABLE} .group")] == ["Fair", "Oracle", "Feedback"]
        at = heads.index("tokens")
        before = await page.value(COLUMN.format(TABLE, at))
        number = lambda text: float(text.split("[")[0])  # noqa: E731
        await page.click(f"{TABLE} thead button", at)
        up = await page.value(COLUMN.format(TABLE, at))
        assert up == [sorted(block, key=number) for block in before] and up != before
        assert await page.value(f"document.querySelector('{TABLE} [aria-sort]').ariaSort") == "ascending"
        assert await page.value("document.activeElement.textContent") == "tokens", "the keyboard's place is kept"
        await page.click(f"{TABLE} thead button", at)
        assert await page.value(COLUMN.format(TABLE, at)) == [block[::-1] for block in up]
        assert await page.value(f"document.querySelector('{TABLE} [aria-sort]').ariaSort") == "descending"
        await page.click(f"{TABLE} thead button", 0)
        names = await page.value(COLUMN.format(TABLE, 0))
        assert names[0] == sorted(names[0]) and len(await page.texts(f"{TABLE} [aria-sort]")) == 1

    look_at(look)


def test_dialogues_are_filtered_and_stand_side_by_side(look_at):
    async def look(page: Page) -> None:
        await choose(page, "env", "twohop-asym")
        assert await page.texts("#count") == ["168 of 324 dialogues"]
        await choose(page, "method", "dialogue")
        assert await page.texts("#count") == ["24 of 324 dialogues"]
        await choose(page, "beside", "dialogue (trained)")
        picked = await page.texts(".pane option:checked")
        assert picked[0].startswith("dialogue · seed 0") and picked[1].startswith("dialogue (trained) · seed 0")
        assert len(await page.texts(".pane .turns")) == 2
        tokens = [int(text.split(" ")[0]) for text in await page.texts(".pane:first-child .turn .who span")]
        assert picked[0].endswith(f"{sum(tokens)} tokens")
        assert "prompt 65, 25 cached" in (await page.texts(".pane:first-child .turn .who"))[1]
        assert await page.texts(".terms th") == ["task", "tokens", "reward"], "only the trained team has reward terms"

        question = await page.texts(".question")
        await page.click("#rows .row", 3)
        assert await page.value(PANES)
        assert await page.texts(".row[aria-selected=true] .q") == await page.texts(".question") != question
        await page.value("document.getElementById('list').focus()")
        await page.press("ArrowUp")
        await page.press("Home")
        assert await page.value(PANES)
        assert await page.texts(".question") == question
        assert await page.value("list.getAttribute('aria-activedescendant')") == "row-0"

        found = 0
        for outcome in ("correct", "wrong", "no answer", "failed"):
            await choose(page, "outcome", outcome)
            found += int((await page.texts("#count"))[0].split(" ")[0])
            assert set(await page.texts("#rows .m span")) <= {outcome}
        assert found == 24
        await choose(page, "outcome", "")
        await page.value(f"window.counted = {COUNTED}; undefined")
        await page.click("#f-text")
        await page.call("Input.insertText", text="0-2-5-7")  # the end of an id
        assert await page.value("counted") == "2 of 324 dialogues"
        await page.value(f"window.counted = {COUNTED}; undefined")
        await page.call("Input.insertText", text=" and nothing like it")
        assert await page.value("counted") == "0 of 324 dialogues"
        assert "No dialogue fits" in (await page.texts("#detail"))[0]

    look_at(look)


def test_a_link_opens_its_dialogue_whatever_the_filters_say(look_at):
    async def look(page: Page) -> None:
        await page.click("#rows .row", 5)
        assert await page.value(PANES)
        question, link = await page.texts(".question"), await page.value("location.hash")
        assert await page.value("document.querySelector('.pane a').getAttribute('href')") == link
        await choose(page, "outcome", "failed")
        assert await page.texts(".question") != question
        await page.value("location.hash = ''")
        await page.value(f"location.hash = {json.dumps(link)}")
        await page.value("new Promise(requestAnimationFrame)")
        assert await page.value(PANES)
        assert await page.texts(".question") == question
        assert await page.value("document.querySelector('.pane a').getAttribute('href')") == link
        assert await page.texts("#count") == ["324 of 324 dialogues"]

    look_at(look)


def test_another_dialogue_can_be_picked_in_a_pane(look_at):
    async def look(page: Page) -> None:
        left, right = "document.querySelectorAll('.pane')[0]", "document.querySelectorAll('.pane')[1]"
        before = await page.value(f"{right}.textContent")
        first = await page.value(f"{left}.querySelector('.facts').textContent")
        watch = f"new MutationObserver(() => done(1)).observe({left}, {{childList: true}})"
        changed = f"new Promise((done) => {watch})"
        await page.value(f"window.changed = {changed}; undefined")
        select = f"{left}.querySelector('select')"
        await page.value(f"{select}.selectedIndex = 9; {select}.dispatchEvent(new Event('change'))")
        await page.value("changed")
        title = await page.value(f"{select}.selectedOptions[0].textContent")
        assert title.split(" · ")[-1] in await page.value(f"{left}.querySelector('.facts').textContent") != first
        assert await page.value(f"{right}.textContent") == before

    look_at(look)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 568)])
def test_a_phone_needs_no_sideways_scrolling(look_at, width: int, height: int):
    async def look(page: Page) -> None:
        assert await page.value(PANES)
        assert await page.value("document.documentElement.scrollWidth") <= width
        boxes = "[...document.querySelectorAll('figure svg[role=img]')].map((s) => s.getBoundingClientRect().width)"
        assert all(0 < wide <= width for wide in await page.value(boxes))
        size = "getComputedStyle(document.querySelector('figure svg text')).fontSize"
        scale = "(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width)(document.querySelector('figure svg'))"
        assert float((await page.value(size)).removesuffix("px")) * await page.value(scale) >= 11

    look_at(look, width=width, height=height)


def test_dark_mode_follows_the_system_and_the_switch(look_at):
    light = ".match(/\\d+/g).slice(0, 3).every((c) => c > 200)"
    bright = f"getComputedStyle(document.body).backgroundColor{light}"
    ink = f"getComputedStyle(document.querySelector('figure svg .name')).fill{light}"

    async def look(page: Page) -> None:
        assert await page.value(bright) and not await page.value(ink)
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        await page.call("Emulation.setEmulatedMedia", features=dark)
        themed = "document.documentElement.dataset.theme === 'dark'"
        await page.value(f"new Promise((done) => (function look() {{ {themed} ? done() : setTimeout(look, 10); }})())")
        assert not await page.value(bright) and await page.value(ink), "plots follow"
        await page.click("#theme")
        assert await page.value(bright) and not await page.value(ink)

    look_at(look)


def test_twenty_thousand_dialogues_open_and_filter_quickly(look_at, tmp_path: Path):
    started = time.perf_counter()
    many = pages.write(load(write_many(tmp_path / "bench", 20_000)))
    written = time.perf_counter() - started

    async def look(page: Page) -> None:
        assert await page.texts("#count") == ["20000 of 20000 dialogues"]
        opened = await page.value("performance.now()") / 1000
        timed = """((s) => { const start = performance.now(); s.value = 'correct'; s.dispatchEvent(new Event('change'));
          return performance.now() - start; })(document.getElementById('f-outcome'))"""
        filtered = await page.value(timed) / 1000
        assert await page.value(PANES)
        count = int((await page.texts("#count"))[0].split(" ")[0])
        assert 1_000 < count < 19_000
        await page.value("list.scrollTop = 500000")
        await page.value("new Promise(requestAnimationFrame)")
        assert 0 < len(await page.texts(".row")) < 60, "only rows in sight exist"
        assert await page.value("document.querySelectorAll('*').length") < 4_000
        print(f"20,000 dialogues: written in {written:.1f} s, open after {opened:.1f} s, filtered in {filtered:.2f} s")
        assert opened < 30 and filtered < 5, "seconds; far above what an idle machine needs"

    look_at(look, path=many)


def test_a_method_without_tokens_takes_no_plot_away(look_at, tmp_path: Path):
    """A logarithm of nothing once drew ticks until memory ended, and no plot for anybody."""
    folder = write_bench(tmp_path / "bench", envs=("twohop-asym",), count=3, seeds=1)
    summary = json.loads((folder / "summary.json").read_text())
    first = summary["rows"][0]
    first |= {"score": 0.0, "score_ci": [0.0, 0.0], "tokens": 0.0, "tokens_ci": [0.0, 0.0]}
    (folder / "summary.json").write_text(json.dumps(summary))

    async def look(page: Page) -> None:
        assert len(await page.texts(".env:first-child figure svg .name")) == len(summary["rows"])
        assert await page.value("document.querySelectorAll('svg line.axis').length") < 500

    look_at(look, path=pages.write(load(folder)))
