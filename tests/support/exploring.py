"""An explorer's model by script: a backend that keeps every request, and the stage ``imagine`` run over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from optima_agents import BACKENDS, Request
from optima_train.config.loading import load
from optima_train.imitation.imagine import Imagine
from optima_train.run.engines import Engines, ModelRef
from optima_train.run.progress import silent
from optima_train.run.stage import StageContext, StageResult, Step
from optima_train.trajectories.exploring import REFLECT

from .recording import Recorder

Reply = Callable[[str, Request], str]
TASK, SOLVE, JUDGE = "task", "solve", "judge"
PLAYING: list[Recorder] = []
BACKENDS.register("tests-explorer", lambda model="": PLAYING[-1])


def kind_of(request: Request) -> str:
    """What a request asks for."""
    last = request.messages[-1]
    if last["content"].startswith("Think of a task"):
        return TASK
    return JUDGE if last["content"] == REFLECT else SOLVE


def imagine(folder: Path, reply: Reply, *overrides: str) -> tuple[StageResult, Recorder, Path]:
    """The stage's result, the requests it made, and its folder; ``reply`` makes the answer to a request of a kind."""
    recorder = Recorder(lambda request: reply(kind_of(request), request))
    PLAYING.append(recorder)
    config = load(
        "quickstart",
        ["method=ste", "backend=tests-explorer", "dtype=null", "env={id: twohop-search, max_turns: 6}", *overrides],
    )
    model = ModelRef("scripted")
    ctx = StageContext(config, folder, Step(0, Imagine()), model, model, Engines(config), silent)
    ctx.out.mkdir(parents=True, exist_ok=True)
    try:
        return Imagine().run(ctx), recorder, ctx.out
    finally:
        ctx.engines.close()


def explorer(task: str = "Who is the mentor of Zed?", answer: str = "finish[Noor]", judged: str = "Yes.") -> Reply:
    """Numbers its tasks, searches once, answers."""
    made = [0]

    def reply(kind: str, request: Request) -> str:
        if kind == TASK:
            made[0] += 1
            return f"{task} ({made[0]})"
        if kind == JUDGE:
            return judged
        return answer if request.messages[-1]["role"] == "environment" else "search[mentor]"

    return reply


def steady(request: Request) -> str:
    """The same to the same request, whatever was asked before."""
    return explorer(task=f"task {request.seed}")(kind_of(request), request)


BACKENDS.register("tests-steady", lambda model="": Recorder(steady))
