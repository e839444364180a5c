"""docs/answers.md: each line of its tables holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.scored_cases import shown

from optima_envs.scoring.answer_format import FORMATS
from optima_envs.scoring.metrics import METRICS
from optima_envs.scoring.parsing import extract, normalise

PAGE = Path(__file__).parents[3] / "docs" / "answers.md"
_CELL = re.compile(r"(?<!\\)\|")


def rows(*head: str) -> list[tuple[str, ...]]:
    """The rows of every table with that head, examples without their code marks."""
    inside, found = False, []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = tuple(cell.strip().replace("\\|", "|") for cell in _CELL.split(line)[1:-1])
        if cells == head:
            inside = True
        elif not cells:
            inside = False
        elif inside and not set(cells[0]) <= {"-"}:
            found.append(
                tuple(shown(cell[1:-1]) if cell.startswith("`") and cell.endswith("`") else cell for cell in cells)
            )
    return found


@pytest.mark.parametrize(("form", "rule", "turn", "answer"), rows("form", "rule", "turn", "answer"))
def test_found(form: str, rule: str, turn: str, answer: str) -> None:
    assert extract(turn, form) == (None if answer == "nothing" else answer), rule


@pytest.mark.parametrize(("verdict", "rule", "first", "second"), rows("verdict", "rule", "first", "second"))
def test_agreement(verdict: str, rule: str, first: str, second: str) -> None:
    assert (normalise(first) == normalise(second)) == (verdict == "same"), rule


SCORED = rows("metric", "rule", "answer", "gold", "score")


@pytest.mark.parametrize(("metric", "rule", "answer", "gold", "score"), SCORED)
def test_scored(metric: str, rule: str, answer: str, gold: str, score: str) -> None:
    if metric == "math":
        pytest.importorskip("math_verify")
    assert METRICS[metric].score(answer, gold.split("; ")) == pytest.approx(float(score), abs=1e-4), rule


def test_the_page_is_about_every_form_and_metric() -> None:
    assert {row[0] for row in rows("form", "rule", "turn", "answer")} == set(FORMATS)
    assert {row[0] for row in SCORED} == {"em", "f1", "choice", "number", "math"}
    assert len(SCORED) > 80 and len(rows("verdict", "rule", "first", "second")) > 10
