"""Estimates: what a run will sample, read, train on and store, before it starts (``optima train --dry-run``).

A token costs 2 P floating-point operations to sample or read and 6 P to train on (P: parameters; Kaplan et al. 2020,
arXiv 2001.08361, section 2.1). Everything the recipe does not fix is assumed, and said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import comb, prod
from pathlib import Path

from ..config.settings import TrainConfig
from ..run.stage import Step

SAMPLING, READING, TRAINING = 0.10, 0.40, 0.35  # of the device's peak; sampling waits for memory, the rest computes
DIALOGUE_TOKENS, TURNS, PROMPT_TOKENS = 250, 5, 700
GROWN = 0.7  # a rollout inside a tree starts in the middle of a dialogue
TOKENS_A_WORD = 4 / 3
# bytes in the logs: a token id, a sampled token with id, text and log-probability, what surrounds a dialogue
ID, SAMPLED, FRAME = 7, 35, 2_000
NAMED = re.compile(r"(?<![A-Za-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![A-Za-z0-9])", re.IGNORECASE)
INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"


@dataclass(frozen=True, slots=True)
class Assumed:
    """Per dialogue: ``tokens`` sampled in ``turns`` turns; per agent ``prompt`` tokens before the first turn.

    ``train`` and ``test`` bound the number of instances (None: not known).
    """

    tokens: int = DIALOGUE_TOKENS
    turns: int = TURNS
    prompt: int = PROMPT_TOKENS
    agents: int = 2
    train: int | None = None
    test: int | None = None
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """Of one step: tokens ``sampled``, ``read`` (prompts and scoring; a shared prefix once), ``trained`` (each epoch).

    ``compute`` is in units of P operations at peak speed, ``disk`` in bytes without weights, ``models`` are saved.
    """

    dialogues: int = 0
    sampled: int = 0
    read: int = 0
    rows: int = 0
    trained: int = 0
    passes: int = 6
    disk: int = 0
    models: int = 0

    def compute(self) -> float:
        """Operations over P, as if every part ran at the device's peak."""
        return 2 * self.sampled / SAMPLING + 2 * self.read / READING + self.passes * self.trained / TRAINING

    def __add__(self, other: Work) -> Work:
        names = ("dialogues", "sampled", "read", "rows", "trained", "disk", "models")
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in names})


def assume(config: TrainConfig, tokens: int | None = None, prompt: int | None = None) -> Assumed:
    """What can be known without a download: prompts and sizes of a generated world or a local file are measured."""
    bound = min(config.generate.max_tokens, config.evaluate.max_tokens)
    turns = min(TURNS, config.env.max_turns or TURNS)
    found = Assumed(min(tokens or DIALOGUE_TOKENS, turns * bound), turns, prompt or PROMPT_TOKENS)
    sizes = _sheet_sizes(config)
    try:
        return replace(_measured(config, found, prompt is None), test=sizes[1])
    except (OSError, ValueError, TypeError, LookupError, ImportError):
        return replace(found, train=sizes[0], test=sizes[1])


def _sheet_sizes(config: TrainConfig) -> tuple[int | None, int | None]:
    import optima_envs

    env = config.env
    splits = optima_envs.spec(env.id).sheet.splits
    return splits.get(env.train.split or "train"), splits.get(env.evaluation_split() or "")


def _measured(config: TrainConfig, found: Assumed, prompts: bool) -> Assumed:
    """Raises LookupError when the instances are not on this machine."""
    import optima_envs
    from optima_agents.prompts import messages

    env = config.env
    local = env.train.data is not None and Path(env.train.data).exists()
    if not local and optima_envs.spec(env.id).sheet.source.startswith("hub"):
        raise LookupError(f"{env.id}: the data is on the hub")
    scenario = env.scenario("train")
    found = replace(found, agents=len(scenario.rules.agents), train=len(scenario.task))
    if not prompts:
        return found
    words = [
        sum(len(message["content"].split()) for message in messages(scenario.rules.view(instance, (), agent)))
        for instance in (scenario.task[index] for index in range(min(20, len(scenario.task))))
        for agent in scenario.rules.agents
    ]
    return replace(found, prompt=round(sum(words) / len(words) * TOKENS_A_WORD), measured=True)


def works(config: TrainConfig, steps: Sequence[Step], assumed: Assumed) -> list[Work | None]:
    """The work of each step; None for a stage nothing is known about."""
    trains = {step.iteration: TRAINED_ON[step.stage.name] for step in steps if step.stage.name in TRAINED_ON}
    known: dict[str, Callable[[TrainConfig, Assumed], Work]] = {
        "generate": _generate,
        "rank": _rank,
        "select": lambda config, assumed: Work(),
        "rows": _rows,
        "grow": _grow,
        "pairs": _pairs,
        "evaluate": _evaluate,
        "advantages": _advantages,
    }
    out: list[Work | None] = []
    for step in steps:
        name = step.stage.name
        work = trains.get(step.iteration, _live) if name == "train" else known.get(name)
        out.append(work(config, assumed) if work else None)
    return out


def _dialogues(count: int, instances: int, assumed: Assumed) -> Work:
    """``count`` dialogues on ``instances``: every agent reads its task once an instance, and all turns."""
    sampled, a = count * assumed.tokens, assumed
    logged = count * (FRAME + a.turns * (a.prompt + a.tokens // 2) * ID + a.tokens * SAMPLED)
    return Work(count, sampled, a.agents * (instances * a.prompt + sampled), disk=logged)


def _scored(dialogues: float, assumed: Assumed, config: TrainConfig) -> int:
    """Tokens the base model reads to score every turn, each after its speaker's task."""
    prompts = assumed.turns * assumed.prompt if config.reward.condition == "task" else 0
    return round(dialogues * (prompts + assumed.tokens))


def _generate(config: TrainConfig, assumed: Assumed) -> Work:
    instances = _at_most(config.generate.instances, assumed.train)
    return _dialogues(instances * config.generate.samples, instances, assumed)


def _rank(config: TrainConfig, assumed: Assumed) -> Work:
    count = _generate(config, assumed).dialogues
    wanted = config.reward.weights.get("readability", 0) > 0
    return Work(read=_scored(count, assumed, config) if wanted else 0, disk=300 * count)


def _rows(config: TrainConfig, assumed: Assumed) -> Work:
    sft = _sft(config, assumed)
    return Work(rows=sft.rows, disk=sft.rows * (assumed.prompt + assumed.tokens) * (ID + 3))


def _sft(config: TrainConfig, assumed: Assumed) -> Work:
    """A row per agent of each kept dialogue; the threshold may keep fewer."""
    kept = max(1, int(_at_most(config.generate.instances, assumed.train) * config.select.top_share))
    rows = kept * assumed.agents
    trained = round(rows * (assumed.prompt + assumed.tokens) * config.train.epochs)
    return Work(rows=rows, trained=trained, passes=_passes(config), models=1)


def _grow(config: TrainConfig, assumed: Assumed) -> Work:
    trees = _at_most(config.tree.instances, assumed.train)
    played = trees * config.tree.rounds * config.tree.rollouts
    sampled = round(GROWN * played * assumed.tokens)
    read = assumed.agents * (trees * assumed.prompt + sampled)
    if config.reward.weights.get("readability", 0) > 0:
        read += _scored(GROWN * played, assumed, config)
    probe = Work()
    if config.reward.normaliser == "percentile":
        probe = _dialogues(config.reward.probe, config.reward.probe, assumed)
    return Work(played, sampled, read, disk=sampled * SAMPLED + played * 500) + probe


def _pair_count(config: TrainConfig, assumed: Assumed) -> int:
    """At most: every expanded node gives its siblings' pairs, and the thresholds drop none."""
    each = comb(config.tree.rollouts, 2) if config.pairs.kind == "all" else min(1, config.tree.rollouts - 1)
    return int(_at_most(config.tree.instances, assumed.train) * config.tree.rounds * each * config.pairs.top_share)


def _pair_tokens(assumed: Assumed) -> int:
    """Both sides: the prompt, half a dialogue, a turn."""
    return 2 * (assumed.prompt + assumed.tokens // 2 + assumed.tokens // assumed.turns)


def _pairs(config: TrainConfig, assumed: Assumed) -> Work:
    pairs = _pair_count(config, assumed)
    return Work(rows=pairs, disk=pairs * _pair_tokens(assumed) * ID)


def _dpo(config: TrainConfig, assumed: Assumed) -> Work:
    """Trained tokens count each epoch; the reference's and the trained model's scores are read before and after."""
    pairs = _pair_count(config, assumed)
    tokens = pairs * _pair_tokens(assumed)
    trained = round(tokens * config.dpo.epochs)
    return Work(rows=pairs, read=2 * tokens, trained=trained, passes=_passes(config), models=1)


def _played(config: TrainConfig, assumed: Assumed) -> int:
    """Dialogues that policy rows are made of."""
    if config.grpo.estimator == "tree":
        return _at_most(config.tree.instances, assumed.train) * config.tree.rounds * config.tree.rollouts
    return _generate(config, assumed).dialogues


def _advantages(config: TrainConfig, assumed: Assumed) -> Work:
    rows = _played(config, assumed) * assumed.agents
    return Work(rows=rows, disk=rows * ((assumed.prompt + assumed.tokens) * (ID + 3) + assumed.tokens * SAMPLED))


def _grpo(config: TrainConfig, assumed: Assumed) -> Work:
    """A row per agent of every dialogue; groups without spread give none. Read: the old and the reference's scores."""
    rows, chosen = _played(config, assumed) * assumed.agents, config.grpo
    tokens = rows * (assumed.prompt + assumed.tokens)
    passes = (chosen.old == "recomputed") + (chosen.beta > 0 and chosen.reference == "initial")
    moments = 0 if config.train.lora or not chosen.carry_optimizer else 4 if config.train.precision == "bf16" else 2
    trained = tokens * chosen.epochs
    return Work(rows=rows, read=passes * tokens, trained=trained, passes=_passes(config), models=1 + moments)


def _live(config: TrainConfig, assumed: Assumed) -> Work:
    once = _generate(config, assumed) + _rank(config, assumed) + _grpo(config, assumed)
    names = ("dialogues", "sampled", "read", "rows", "trained", "disk")
    return replace(once, passes=_passes(config), **{name: getattr(once, name) * config.grpo.rounds for name in names})


def _evaluate(config: TrainConfig, assumed: Assumed) -> Work:
    count = _at_most(config.evaluate.instances, assumed.test)
    played = _dialogues(count, count, assumed)
    return played + Work(read=_scored(count, assumed, config)) if config.evaluate.nll else played


# a training by the stage that made what it is trained on; the live loop has none
TRAINED_ON = {"pairs": _dpo, "advantages": _grpo, "rows": _sft}


def _passes(config: TrainConfig) -> int:
    """Frozen weights need no gradient of their own: 4 P a token instead of 6 P."""
    return 4 if config.train.lora else 6


def _at_most(asked: int, there: int | None) -> int:
    return asked if there is None else min(asked, there)


def parameters(model: str) -> tuple[int, str] | None:
    """(parameters, how that is known) of a folder, a hub id or ``tiny``; None when neither files nor name tell.

    Nothing is downloaded: of a hub model only what earlier downloads left here is read, and of that the headers.
    """
    from optima_agents.backends.chat.model_files import resolve

    source = resolve(model, fetch=False)
    try:
        files = _weights(Path(source)) if Path(source).is_dir() else _cached(source)
        if files:
            return sum(_numbers_in(file) for file in files), "from the weights' headers"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError):
        pass  # a damaged file is found, and named, when the model is loaded
    named = NAMED.findall(Path(source).name)
    if not named:
        return None
    experts, size, unit = named[0]
    scale = {"b": 1e9, "m": 1e6}[unit.lower()]
    return int(int(experts or 1) * float(size) * scale), f"read off the name {Path(source).name}"


def _numbers_in(file: Path) -> int:
    """Numbers stored in a safetensors file. Raises ValueError for a file that is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as weights:
            return sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118 - no mapping
    except SafetensorError as err:
        raise ValueError(f"{file}: {err}") from None


def _weights(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        shards = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
        return [folder / Path(shard).name for shard in sorted(shards)]
    return [folder / WHOLE] if (folder / WHOLE).is_file() else []


def _cached(name: str) -> list[Path]:
    from huggingface_hub import try_to_load_from_cache

    for file in (INDEX, WHOLE):
        found = try_to_load_from_cache(name, file)
        if isinstance(found, str):
            return _weights(Path(found).parent)
    return []
