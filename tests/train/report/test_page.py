"""The report's data, its safety, and the page in a real browser."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.browser import CHROMIUM, COUNTED, OPEN, PANES, browsing
from support.pages import Outline, opened, unpacked
from support.runs import HOSTILE, write_run

from optima_train.report.data import collect
from optima_train.report.dialogues import Packer
from optima_train.report.one_page import inert
from optima_train.report.write import render, write_report

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)")


def test_data_holds_everything_once(tmp_path: Path):
    told, dialogues = collect(write_run(tmp_path / "run"))
    index, turns = unpacked(dialogues)
    column = index["columns"]
    assert dialogues.total == dialogues.shown == len(turns) == 3 * 12 + 2 * 20
    assert len(index["instances"]) == 12 + 2 * 5
    assert index["agents"] == ["Alice", "Bob"]
    assert [row["label"] for row in told["results"]] == ["untrained", "iteration 0", "final"]
    assert "nll" not in told["columns"]
    assert told["terms"]["tokens"] == [(0, -0.25), (1, -0.25)]
    sampled = [i for i, at in enumerate(column["origin"]) if index["origins"][at] == ["iteration 0", "generate"]]
    assert sorted(column["kept"][i] for i in sampled) == [0] * 15 + [1] * 5
    assert column["terms"][sampled[0]] == {"task": column["score"][sampled[0]], "tokens": -0.25}


def test_what_does_not_fit_is_counted(tmp_path: Path):
    _, dialogues = collect(write_run(tmp_path / "run"), most=10)
    assert (dialogues.shown, dialogues.total) == (10, 76)
    index, _ = unpacked(dialogues)
    assert {index["origins"][at][1] for at in index["columns"]["origin"]} == {"evaluate"}


def test_hostile_text_stays_data(tmp_path: Path):
    seen = Outline(write_report(write_run(tmp_path / "run")).read_text(encoding="utf-8"))
    chunks = [name for name in seen.blocks if name.startswith("chunk-")]
    assert seen.tags.count("script") == 3 + len(chunks)
    assert "img" not in seen.tags
    texts = [turn[1] for name in chunks for turns in opened(seen.blocks[name]) for turn in turns]
    assert any(HOSTILE.replace("\ud800", "?") in text for text in texts)


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_inert_json_reads_back_and_has_no_markup(value: object):
    text = inert({"value": value})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"value": value}


def test_the_page_asks_for_nothing_from_outside():
    page = render({"results": []}, Packer().finish(0))
    assert not re.search(r"""(?:src|href)\s*=|@import|url\(|fetch\(|XMLHttpRequest""", page)
    assert "default-src 'none'" in page
    assert "innerHTML" not in page


@pytest.mark.parametrize("damage", ["no config", "torn record", "bad results"])
def test_a_damaged_run_is_a_clear_error(tmp_path: Path, damage: str):
    run = write_run(tmp_path / "run")
    if damage == "no config":
        (run / "config.resolved.yaml").unlink()
    elif damage == "bad results":
        (run / "results.json").write_text("[{")
    else:
        log = run / "it000/generate/episodes.jsonl"
        log.write_text("{}\n" + log.read_text())
    with pytest.raises((FileNotFoundError, ValueError), match=r"no run directory|results\.json|line 1"):
        write_report(run)
    assert not (run / "report.html").exists()


COLUMN = "[...document.querySelectorAll('#results tbody tr')].map((row) => row.cells[{}].textContent)"


@needs_browser
def test_the_page_in_a_browser(tmp_path: Path):
    report = write_report(write_run(tmp_path / "run"))

    async def look() -> None:
        async with browsing(report, tmp_path / "profile") as page:
            assert await page.value("document.title") == "Optima report: run"  # hostile text would set it to PWNED
            await page.value(OPEN)
            assert await page.value(PANES)
            assert await page.texts("#count") == ["76 of 76 dialogues"]
            assert await page.value("document.querySelectorAll('circle').length") == 3 + 3 * 2
            assert "0.200 → 0.800" in (await page.texts("#tiles"))[0]
            assert len(await page.texts(".pane")) == 2
            assert "</script><script>" in (await page.texts(".turns"))[0]  # the first dialogue's turns, as text
            assert await page.value("document.scripts.length") == 4
            assert page.errors == []

    asyncio.run(look())


@needs_browser
def test_the_results_table_sorts_by_a_click(tmp_path: Path):
    report = write_report(write_run(tmp_path / "run"))

    async def look() -> None:
        async with browsing(report, tmp_path / "profile") as page:
            at = (await page.texts("#results th")).index("tokens")
            assert await page.value(COLUMN.format(at)) == ["240", "30.5", "16"]
            await page.click("#results th button", at)
            assert await page.value(COLUMN.format(at)) == ["16", "30.5", "240"]
            assert await page.value("document.querySelector('[aria-sort]').textContent") == "tokens"
            await page.click("#results th button", at)
            assert await page.value(COLUMN.format(at)) == ["240", "30.5", "16"]

    asyncio.run(look())


@needs_browser
def test_dialogues_are_filtered_and_opened(tmp_path: Path):
    report = write_report(write_run(tmp_path / "run"))

    async def choose(page, select: str, value: str) -> None:
        await page.value(
            f"(s => {{ s.value = '{value}'; s.dispatchEvent(new Event('change', {{bubbles: true}})); }})({select})"
        )

    async def look() -> None:
        async with browsing(report, tmp_path / "profile") as page:
            await page.value(OPEN)
            await choose(page, "document.getElementById('f-stage')", "evaluate")
            assert await page.texts("#count") == ["36 of 76 dialogues"]
            await choose(page, "document.getElementById('f-iteration')", "untrained")
            assert await page.texts("#count") == ["12 of 76 dialogues"]
            await page.value(f"window.counted = {COUNTED}; undefined")
            await page.click("#f-text")
            await page.call("Input.insertText", text="of zed 11?")
            assert await page.value("counted") == "1 of 76 dialogues"
            assert "11?" in (await page.texts(".question"))[0]
            await page.value(f"window.counted = {COUNTED}; undefined")
            await page.call("Input.insertText", text=" and nothing like it")
            assert await page.value("counted") == "0 of 76 dialogues"
            assert "No dialogue fits" in (await page.texts("#detail"))[0]
            await page.value(
                f"s = document.getElementById('f-text'); s.value = ''; window.counted = {COUNTED}; undefined"
            )
            await page.call("Input.insertText", text="</script><script>")  # said in a turn, asked in no question
            assert await page.value("counted") == "3 of 76 dialogues"
            await page.value("document.getElementById('f-text').value = ''")
            await choose(page, "document.getElementById('f-iteration')", "")
            assert await page.texts("#count") == ["36 of 76 dialogues"]

            await page.click("#rows .row", 3)
            assert await page.texts(".row[aria-selected=true] .q") == await page.texts(".question")
            assert " 3?" in (await page.texts(".question"))[0]
            assert await page.value(PANES)
            left, right = await page.texts(".pane option:checked")
            assert left.startswith("untrained evaluate")
            assert "evaluate" in right and not right.startswith("untrained")
            assert len(await page.texts(".turn")) == 8
            await page.value("document.getElementById('list').focus()")
            await page.press("ArrowDown")
            assert " 4?" in (await page.texts(".question"))[0]
            assert page.errors == []

    asyncio.run(look())


@needs_browser
def test_thousands_of_dialogues_are_few_nodes(tmp_path: Path):
    report = write_report(write_run(tmp_path / "run", evaluated=300, groups=300, samples=8))

    async def look() -> None:
        async with browsing(report, tmp_path / "profile", width=390, height=844) as page:
            await page.value(OPEN)
            assert await page.texts("#count") == ["5700 of 5700 dialogues"]
            assert 0 < len(await page.texts(".row")) < 60
            await page.value("document.getElementById('list').scrollTop = 150000")
            await page.value("new Promise(requestAnimationFrame)")
            assert 0 < len(await page.texts(".row")) < 60
            assert await page.value("document.documentElement.scrollWidth") <= 390  # nothing runs off a small screen

    asyncio.run(look())
