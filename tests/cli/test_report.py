"""The report's data, its safety, and the page in a real browser."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optima_train.report import inert, render, write_report
from optima_train.report_data import collect

from .conftest import HOSTILE, write_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (apt-get install chromium)")


class Outline(html.parser.HTMLParser):
    """Tags of the page as an HTML parser sees them, and the data block's text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.data = ""
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = ("id", "data") in attrs

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.data += data


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    return parser


def browse(page: Path, *options: str) -> str:
    """The page's document after its scripts ran."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--dump-dom", *options, page.resolve().as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_data_holds_everything_once(tmp_path: Path):
    data = collect(write_run(tmp_path / "run"))
    assert data["total"] == len(data["episodes"]) == 3 * 12 + 2 * 20
    assert len(data["instances"]) == 12 + 2 * 5
    assert data["agents"] == ["Alice", "Bob"]
    assert [row["label"] for row in data["results"]] == ["untrained", "iteration 0", "final"]
    assert "nll" not in data["columns"]
    assert data["terms"]["tokens"] == [(0, -0.25), (1, -0.25)]
    sampled = [e for e in data["episodes"] if data["origins"][e[1]] == ["iteration 0", "generate"]]
    assert sorted(e[11] for e in sampled) == [0] * 15 + [1] * 5
    assert sampled[0][6] == {"task": sampled[0][3], "tokens": -0.25}


def test_what_does_not_fit_is_counted(tmp_path: Path):
    data = collect(write_run(tmp_path / "run"), most=10)
    assert (len(data["episodes"]), data["total"]) == (10, 76)
    assert {data["origins"][e[1]][1] for e in data["episodes"]} == {"evaluate"}


def test_hostile_text_stays_data(tmp_path: Path):
    page = write_report(write_run(tmp_path / "run")).read_text(encoding="utf-8")
    seen = outline(page)
    assert seen.tags.count("script") == 2
    assert "img" not in seen.tags
    texts = [turn[1] for e in json.loads(seen.data)["episodes"] for turn in e[9]]
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
    page = render({"results": []})
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


@needs_browser
def test_the_page_in_a_browser(tmp_path: Path):
    dom = browse(write_report(write_run(tmp_path / "run")))
    assert "<title>Optima report: run</title>" in dom  # hostile text would have set it to PWNED
    assert "76 of 76 dialogues" in dom
    assert dom.count("<circle") == 3 + 3 * 2  # a dot per result, and per term and iteration
    assert "0.200 → 0.800" in dom
    assert dom.count('class="pane"') == 2
    assert "&lt;/script&gt;&lt;script&gt;" in dom  # the first dialogue's turns, shown as text
    assert re.search(r"<option[^>]*>untrained evaluate", dom)


@needs_browser
def test_twenty_thousand_dialogues_are_few_nodes(tmp_path: Path):
    page = write_report(write_run(tmp_path / "run", evaluated=300, groups=1200, samples=8))
    dom = browse(page, "--window-size=390,844")
    assert "20000 of 20000 dialogues" in dom or "20100 of" in dom
    assert 0 < dom.count('class="row"') < 60
    assert "spacer" in dom
