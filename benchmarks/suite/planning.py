"""Planning: every name of a suite looked up, every environment opened, every cell listed before anything is played."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optima_envs.registry import unknown_name
from optima_train.config.loading import ConfigError
from optima_train.run.plugins import import_plugins

from ..methods.session import tells
from .cells import Arena, Cell, Plan, baseline
from .models import check_model, home
from .outside import import_outside
from .settings import EnvChoice, MethodChoice, ModelChoice, Suite


def plan(suite: Suite, folders: Sequence[str | Path] = ()) -> Plan:
    """Look up every name, open every environment and list the cells; plugins may lie in ``folders``.

    Raises ConfigError naming the key, UnknownName with the nearest names, StageError for a plugin that fails, and
    ValueError for another project's episodes that do not fit.
    """
    import_plugins(suite.plugins, folders)
    found = {method.called: baseline(method) for method in suite.methods}
    for model in suite.models:
        check_model(model)
    arenas = tuple(open_arena(env, suite.instances) for env in suite.envs)
    skipped: list[tuple[str, str, str]] = []
    cells: list[Cell] = []
    for arena in arenas:
        for method in suite.methods:
            if method.envs is not None and arena.label not in method.envs:
                continue
            method_is = found[method.called]
            if method_is.families and arena.family not in method_is.families:
                only = " and ".join(method_is.families)
                skipped.append((method.called, arena.label, f"is for {only} environments"))
                continue
            block = method_is.block_in(arena.family, method.options, told=tells(arena.scenario.rules))
            models = players(suite, method, arena)
            for model in models:
                label = method.called if len(models) == 1 else f"{method.called} ({model.label})"
                cells += [Cell(label, block, method, arena, model.label, s, method.samples) for s in suite.seeds]
    outside: dict[str, str] = {}
    for source in suite.episodes:
        arena = next(arena for arena in arenas if arena.label == source.env)
        for cell, log in import_outside(source, arena):
            cells.append(cell)
            outside[cell.path] = log
    if not cells:
        raise ConfigError("nothing to run: no method fits any environment and model of this suite")
    labels = [cell.label for cell in cells]
    if suite.reference is not None and suite.reference not in labels:
        raise unknown_name("reference", suite.reference, set(labels))
    return Plan(suite, arenas, tuple(cells), outside, tuple(skipped))


def open_arena(env: EnvChoice, instances: int) -> Arena:
    """The environment with its first instances in memory. Raises ConfigError naming it."""
    import optima_envs

    limits = {"max_turns": env.max_turns, "token_budget": env.token_budget}
    try:
        scenario = optima_envs.scenario(env.id, split=env.split, data=env.data, **limits, **env.args)
        count = min(env.instances or instances, len(scenario.task))
        found = tuple(scenario.task[index] for index in range(count))
    except (KeyError, ValueError, TypeError, OSError, ImportError) as err:
        raise ConfigError(f"envs.{env.called}: {err}") from err
    if not found:
        raise ConfigError(f"envs.{env.called}: no instances")
    return Arena(env, scenario, found)


def players(suite: Suite, method: MethodChoice, arena: Arena) -> list[ModelChoice]:
    """The models that play a method in an environment; a trained one is at home where it was trained."""
    named = method.models
    chosen = [m for m in suite.models if (m.backend is not None if named is None else m.label in named)]
    return [model for model in chosen if plays(model, arena)]


def plays(model: ModelChoice, arena: Arena) -> bool:
    """Whether a model is for an environment: one of its ``envs``, or by default where it was trained."""
    if model.envs is not None:
        return arena.label in model.envs
    return home(model) in (None, arena.scenario.id)
