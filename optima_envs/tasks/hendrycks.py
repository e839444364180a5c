"""math-debate: the MATH competition problems, debated."""

from __future__ import annotations

from ..records import Instance
from ..scoring.answer_format import boxes, run
from ..spec import DEBATE, EnvSpec, Sheet
from .dataset import Dataset, RowError, UnusableRowError, need_text
from .loading import Row, Source

SPEC = EnvSpec(
    "optima/math-debate-v0",
    "optima_envs.tasks.hendrycks:HendrycksMath",
    DEBATE,
    "math",
    {"answer_format": "boxed"},
    Sheet(
        "MATH competition problems, debated.",
        source="hub EleutherAI/hendrycks_math, files of a pinned commit; also the authors' folders of JSON files",
        licence="MIT",
        splits={"train": 7_500, "test": 5_000},
        evaluation="test, all",
        paper="Hendrycks et al. 2021, arXiv 2103.03874",
        metric="equivalence by math-verify in killable workers",
        notes=(
            "problems of seven subjects and five levels; the answer is a LaTeX expression",
            "the few rows without a usable gold are left out and counted",
        ),
    ),
)
SIGNS = ("-", "\u2212", "\\pm", "\\mp")
SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)


class HendrycksMath(Dataset):
    """The gold is the last box of the worked solution, or the run of boxes it closes. See ``Dataset`` for what is
    raised."""

    name = "math-debate"
    source = Source(
        "EleutherAI/hendrycks_math",
        "21a5633873b6a120296cce3e2df9d5550074f4a3",
        {split: tuple(f"{subject}/{split}-*.parquet" for subject in SUBJECTS) for split in ("train", "test")},
    )

    def build(self, row: Row, index: int) -> Instance:
        problem, solution = need_text(row, "problem"), need_text(row, "solution")
        gold, notes = final_answer(solution)
        if "\\boxed" in problem:
            raise UnusableRowError("the problem uses \\boxed as a symbol, so its answer is not what the last box holds")
        if solution[: solution.rfind("\\boxed")].rstrip().endswith(SIGNS):
            notes.append("a sign stands before the last box, outside of it")
        if "[asy]" in problem:
            notes.append("refers to a figure given as [asy] code")
        level = str(row.get("level") or "")
        if not level[-1:].isdigit():
            notes.append(f"level {level!r}")
        return Instance(
            id=str(row["id"]) if "id" in row else f"math-{self.split}-{index}",
            question=problem,
            answers=(gold,),
            meta={"subject": row.get("type"), "level": level, **({"notes": notes} if notes else {})},
        )


def final_answer(solution: str) -> tuple[str, list[str]]:
    """The content of the last box, joined by commas to boxes right before it; and what is odd.

    Raises RowError without a box, UnusableRowError when the box is empty.
    """
    found = boxes(solution)
    if not found:
        raise RowError("the solution has no \\boxed{...}")
    chain = run(solution, found, max(found, key=lambda box: box.inner))
    parts = [solution[box.inner : box.close].strip() for box in chain]
    if not all(parts):
        raise UnusableRowError("the box with the final answer is empty")
    contents = {solution[box.inner : box.close].strip() for box in found}
    notes = [f"{len(found)} boxes, the last {len(chain)} taken"] if len(contents) > 1 else []
    return ", ".join(dict.fromkeys(parts)), notes
