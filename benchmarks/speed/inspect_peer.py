"""The same dialogues in Inspect AI with its mock model: prompts by our own code, everything else by its engine."""

from __future__ import annotations

import importlib.util
import time
from importlib.metadata import version as installed
from typing import Any

import optima_envs
from optima_agents.prompts import messages
from optima_envs.games.replies import replied
from optima_envs.records import Turn


def version() -> str | None:
    """The installed Inspect AI's version, or None."""
    return installed("inspect_ai") if importlib.util.find_spec("inspect_ai") else None


def turns_per_second(turns: int, text: str, dialogues: int, folder: str) -> float:
    """Turns per CPU second of this process. The seconds of a run of one dialogue, its start, are not counted."""
    start = _seconds(turns, text, 1, folder)
    return turns * (dialogues - 1) / (_seconds(turns, text, dialogues, folder) - start)


def _seconds(turns: int, text: str, dialogues: int, folder: str) -> float:
    import inspect_ai

    start = time.process_time()
    logs = inspect_ai.eval(
        _task(turns, dialogues),
        model=_model(text),
        display="none",
        log_dir=folder,
        max_samples=64,
        max_connections=64,
        score_display=False,
    )
    if logs[0].status != "success" or len(logs[0].samples or ()) != dialogues:
        raise RuntimeError(f"Inspect AI ended with {logs[0].status}: {str(logs[0].error)[:500]}")
    return time.process_time() - start


def _model(text: str) -> Any:
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    # given, or it would count tokens (with a vocabulary from the network), which is no engine's work
    usage = ModelUsage(input_tokens=350, output_tokens=26, total_tokens=376)

    def reply(input: Any, tools: Any, tool_choice: Any, config: Any) -> ModelOutput:  # noqa: A002
        output = ModelOutput.from_content("mockllm/model", text)
        output.usage = usage
        return output

    return get_model("mockllm/model", custom_outputs=reply, memoize=False)


def _task(turns: int, dialogues: int) -> Any:
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.scorer import includes
    from inspect_ai.solver import solver

    scenario = optima_envs.scenario("twohop-asym", max_turns=turns)
    instances = [scenario.task[index] for index in range(dialogues)]
    samples = [Sample(inst.question, target=list(inst.answers), id=inst.id) for inst in instances]
    by_id = {inst.id: inst for inst in instances}

    @solver
    def dialogue() -> Any:
        async def solve(state: Any, generate: Any) -> Any:
            from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, get_model

            kinds = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
            model, inst, said = get_model(), by_id[state.sample_id], ()
            for _ in range(turns):
                (agent,) = scenario.rules.speakers(inst, said)
                prompt = messages(scenario.rules.view(inst, said, agent))
                state.output = await model.generate([kinds[m["role"]](content=m["content"]) for m in prompt])
                said = replied(scenario.rules, inst, (*said, Turn(agent, state.output.completion, 26)))
            return state

        return solve

    return Task(dataset=MemoryDataset(samples), solver=dialogue(), scorer=includes())
