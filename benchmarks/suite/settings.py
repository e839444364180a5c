"""Suites: which methods play which environments with which models and seeds, as a strict YAML file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from optima_envs.registry import unknown_name
from optima_train.config.loading import ConfigError, assignment, check, find, merge, nested, read
from optima_train.config.settings import Count, Settings, Share, Weight

CONFIGS = Path(__file__).parents[1] / "configs"
Label = Annotated[str, Field(pattern=r"^\w[\w .+=,()-]*$")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
# lists whose members can be named in an override: models.base.backend=... beside models.0.backend=...
NAMED = {"envs": ("label", "id"), "methods": ("label", "name"), "models": ("label",), "episodes": ("label",)}


class EnvChoice(Settings):
    """An environment and the instances of it that every method meets."""

    id: str
    label: Label | None = None
    """In tables; null: the id's name."""
    split: str = "test"
    data: str | None = None
    max_turns: Count | None = None
    token_budget: Count | None = None
    args: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    """Further arguments of the task, such as ``agents`` or ``distractors``."""
    instances: Count | None = None
    """The first so many; null: as many as the suite says."""

    @property
    def called(self) -> str:
        from optima_envs.spec import parse_id

        return self.label or parse_id(self.id)[1]


class Training(Settings):
    """A model made on demand: a recipe of ``optima train`` with settings on top."""

    recipe: str
    overrides: tuple[str, ...] = ()


class ModelChoice(Settings):
    """A model: a backend's, the one a training run made, or one to be trained first."""

    label: Label
    backend: str | None = None
    """``hf:tiny``, ``vllm:MODEL``, ``openai:URL#MODEL``."""
    run: str | None = None
    """A run directory of ``optima train``."""
    train: Training | None = None
    iteration: Annotated[int, Field(ge=-1)] | None = None
    """The model after that iteration of the run, -1 the one it began with; null: its final one."""
    options: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    """Of the backend, such as ``dtype``."""
    envs: tuple[str, ...] | None = None
    """Labels of the environments it plays; null: all, but for a trained model the one it was trained in."""

    @model_validator(mode="after")
    def _one_source(self) -> ModelChoice:
        given = [name for name in ("backend", "run", "train") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"model {self.label} needs one of backend, run and train, not {' and '.join(given) or 0}")
        if self.iteration is not None and self.backend is not None:
            raise ValueError(f"model {self.label}: iteration belongs to run or train")
        return self


class Decoding(Settings):
    """How replies are sampled, unless a protocol itself asks for several different ones."""

    temperature: Weight = 0.0
    top_p: Share = 1.0
    max_tokens: Count = 512


class OtherDecoding(Settings):
    """What one method samples otherwise; null: as the suite says."""

    temperature: Weight | None = None
    top_p: Share | None = None
    max_tokens: Count | None = None


class MethodChoice(Settings):
    """A baseline with its options."""

    name: str
    label: Label | None = None
    options: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    sampling: OtherDecoding = OtherDecoding()
    samples: Count = 1
    """Episodes per instance and seed: the raw material of scaling curves."""
    models: tuple[str, ...] | None = None
    """Labels; null: every model given by ``backend`` (trained ones play only where they are named)."""
    envs: tuple[str, ...] | None = None
    """Labels; null: all that the method is for."""

    @property
    def called(self) -> str:
        return self.label or self.name


class OutsideEpisodes(Settings):
    """Another project's results: a file of episodes in our schema."""

    label: Label
    env: str
    file: str
    block: Literal["fair", "oracle", "feedback"] = "fair"


class Curve(Settings):
    """``scaling``: self-consistency and coverage against samples and tokens, from methods with ``samples`` > 1.
    ``iterations``: score and tokens over the iterations of trained models."""

    kind: Literal["scaling", "iterations"]
    of: Annotated[tuple[str, ...], Field(min_length=1)]
    """Labels of methods (scaling) or models (iterations)."""


class Suite(Settings):
    """A comparison: every method meets the same instances with the same decoding."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    envs: Annotated[tuple[EnvChoice, ...], Field(min_length=1)]
    models: Annotated[tuple[ModelChoice, ...], Field(min_length=1)]
    methods: Annotated[tuple[MethodChoice, ...], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    instances: Count = 100
    sampling: Decoding = Decoding()
    concurrency: Count = 64
    """Episodes in flight."""
    episode_timeout: Annotated[float, Field(gt=0)] = 600.0
    """Seconds until an episode is given up, scored 0 and shown."""
    reference: str | None = None
    """The label all others are tested against, pairwise over instances; null: the first of an environment."""
    budgets: tuple[Count, ...] = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
    """Tokens at which scores are compared."""
    curves: tuple[Curve, ...] = ()
    episodes: tuple[OutsideEpisodes, ...] = ()
    plugins: tuple[str, ...] = ()
    """Modules imported at start, where your own baselines and environments register."""

    @model_validator(mode="after")
    def _labels(self) -> Suite:
        methods = [method.called for method in self.methods] + [outside.label for outside in self.episodes]
        envs, models = [env.called for env in self.envs], [model.label for model in self.models]
        for kind, labels in (("methods", methods), ("envs", envs), ("models", models)):
            folders = Counter(label.replace(" ", "-") for label in labels)
            twice = [name for name, times in folders.items() if times > 1]
            if twice:
                raise ValueError(f"{kind}: {twice[0]} is there twice; give one of them another label")
        for method in self.methods:
            _known(f"methods.{method.called}.models", method.models, models)
            _known(f"methods.{method.called}.envs", method.envs, envs)
        for model in self.models:
            _known(f"models.{model.label}.envs", model.envs, envs)
        for outside in self.episodes:
            _known(f"episodes.{outside.label}.env", (outside.env,), envs)
        for curve in self.curves:
            _known("curves.of", curve.of, methods if curve.kind == "scaling" else models)
        return self


def load_suite(source: str | Path, overrides: Iterable[str] = (), model: str | None = None) -> Suite:
    """The suite in a file, or a packaged one by name, with ``a.b=value`` overrides; members of a list go by label or
    number: ``models.base.options.dtype=float64``, ``envs.0.id=2wmh-asym``. ``model``: see ``with_model``.

    Raises ConfigError.
    """
    data = read(find(source, CONFIGS, "suite"))
    for override in overrides:
        data = overridden(data, *assignment(override))
    return suite_of(data if model is None else with_model(data, model))


def with_model(data: Mapping[str, Any], model: str) -> dict[str, Any]:
    """``data`` with ``backend:name`` as its one model that a backend names, and trainings that start from it.

    Raises ConfigError when several models are named by backends.
    """
    kind, _, name = model.partition(":")
    models = [dict(item) for item in data.get("models") or ()]
    based = [item for item in models if "backend" in item]
    if len(based) > 1:
        raise ConfigError(f"the suite has {len(based)} models of backends; set models.{based[0].get('label')}.backend")
    for item in based:
        item["backend"] = model
    for item in models:
        if "train" in item:
            overrides = [*item["train"].get("overrides", ()), f"backend={kind}", f"model={name}"]
            item["train"] = {**item["train"], "overrides": overrides}
    return {**data, "models": models}


def suite_of(data: Mapping[str, Any]) -> Suite:
    """A plain mapping as a suite; a method may be a bare name. Raises ConfigError naming what is wrong."""
    methods = data.get("methods")
    if isinstance(methods, (list, tuple)):
        data = {**data, "methods": [{"name": m} if isinstance(m, str) else m for m in methods]}
    return check(data, Suite)


def overridden(data: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """``data`` with the setting at a dotted key replaced. Raises ConfigError for a member no list has."""
    head, _, rest = key.partition(".")
    items = data.get(head)
    if not rest or not isinstance(items, list):
        return merge(data, nested(key, value))
    items = [{"name": item} if isinstance(item, str) else item for item in items]
    place, inner = _member(head, items, rest)
    items[place] = merge(items[place], nested(inner, value)) if inner else value
    return {**data, head: items}


def _member(head: str, items: list[Any], rest: str) -> tuple[int, str]:
    """Which member ``rest`` begins with, and the key inside it; labels may hold dots themselves."""
    names = {}
    for place, item in enumerate(items):
        label = next((item[key] for key in NAMED.get(head, ()) if isinstance(item, dict) and key in item), None)
        names |= {str(place): place} | ({str(label): place} if label is not None else {})
    for name in sorted(names, key=len, reverse=True):
        if rest == name or rest.startswith(f"{name}."):
            return names[name], rest[len(name) + 1 :]
    known = [name for name in names if not name.isdigit()] or list(names)
    raise ConfigError(f"{head} has no {rest.partition('.')[0]!r}; it has {', '.join(known)}")


def _known(key: str, labels: tuple[str, ...] | None, known: list[str]) -> None:
    for label in labels or ():
        if label not in known:
            raise ValueError(f"{key}: {unknown_name('label', label, known)}")
