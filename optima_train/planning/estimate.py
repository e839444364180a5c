"""Estimates: what a run will sample, read, train on and store, before it starts (``optima train --dry-run``).

A token costs 2 P floating-point operations to sample or read and 6 P to train on (P: parameters; Kaplan et al. 2020,
arXiv 2001.08361, section 2.1). Everything the recipe does not fix is assumed, and said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import comb
from pathlib import Path

from ..config.settings import TrainConfig
from ..run.stage import Step

SAMPLING, READING, TRAINING = 0.10, 0.40, 0.35  # of the device's peak; sampling waits for memory, the rest computes
DIALOGUE_TOKENS, TURNS, PROMPT_TOKENS = 250, 5, 700
GROWN = 0.7  # a rollout inside a tree starts in the middle of a dialogue
TOKENS_A_WORD = 4 / 3
# bytes in the logs: a token id, a sampled token with id, text and log-probability, what surrounds a dialogue
ID, SAMPLED, FRAME = 7, 35, 2_000


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
    grown = {step.iteration for step in steps if step.stage.name == "grow"}
    paired = {step.iteration for step in steps if step.stage.name == "pairs"}
    trains |= dict.fromkeys(paired - grown, _contrast_dpo)
    known: dict[str, Callable[[TrainConfig, Assumed], Work]] = {
        "generate": _generate,
        "rank": _rank,
        "select": lambda config, assumed: Work(),
        "rows": _rows,
        "grow": _grow,
        "pairs": _pairs,
        "evaluate": _evaluate,
        "advantages": _advantages,
        "tryout": _tryout,
        "influence": _influence,
    }
    out: list[Work | None] = []
    for step in steps:
        name = step.stage.name
        work = trains.get(step.iteration, _live) if name == "train" else known.get(name)
        if name == "pairs" and step.iteration not in grown:
            work = _contrast
        out.append(work(config, assumed) if work else None)
    return out


def _dialogues(count: int, instances: int, assumed: Assumed) -> Work:
    """``count`` dialogues on ``instances``: every agent reads its task once an instance, and all turns."""
    sampled, a = count * assumed.tokens, assumed
    logged = count * (FRAME + a.turns * (a.prompt + a.tokens // 2) * ID + a.tokens * SAMPLED)
    return Work(count, sampled, a.agents * (instances * a.prompt + sampled), disk=logged)


def _scored(dialogues: float, instances: int, assumed: Assumed, config: TrainConfig) -> int:
    """Tokens the base model reads to score every turn after its speaker's task, which is read once an instance."""
    tasks = instances * assumed.agents * assumed.prompt if config.reward.condition == "task" else 0
    return round(tasks + dialogues * assumed.tokens)


def _generate(config: TrainConfig, assumed: Assumed) -> Work:
    instances = _at_most(config.generate.instances, assumed.train)
    return _dialogues(instances * config.generate.samples, instances, assumed)


def _rank(config: TrainConfig, assumed: Assumed) -> Work:
    count = _generate(config, assumed).dialogues
    wanted = config.reward.weights.get("readability", 0) > 0
    instances = _at_most(config.generate.instances, assumed.train)
    return Work(read=_scored(count, instances, assumed, config) if wanted else 0, disk=300 * count)


def _rows(config: TrainConfig, assumed: Assumed) -> Work:
    sft = _sft(config, assumed)
    return Work(rows=sft.rows, disk=sft.rows * (assumed.prompt + assumed.tokens) * (ID + 3))


def _sft(config: TrainConfig, assumed: Assumed) -> Work:
    """A row per agent of each kept dialogue; the threshold may keep fewer."""
    kept = max(1, int(_at_most(config.generate.instances, assumed.train) * config.select.top_share))
    rows = kept * assumed.agents
    trained = round(rows * (assumed.prompt + assumed.tokens) * config.train.epochs)
    return Work(rows=rows, trained=trained, passes=_passes(config), models=_models(config, assumed))


def _models(config: TrainConfig, assumed: Assumed) -> int:
    """How many models or adapters a training leaves: one for each agent, or group of them, with weights of its own."""
    train = config.train
    if train.sharing == "shared":
        return 1
    grouped = sum(map(len, train.groups.values()))
    return max(1, len(train.groups) + max(0, assumed.agents - grouped))


def _grow(config: TrainConfig, assumed: Assumed) -> Work:
    trees = _at_most(config.tree.instances, assumed.train)
    played = trees * config.tree.rounds * config.tree.rollouts
    sampled = round(GROWN * played * assumed.tokens)
    read = assumed.agents * (trees * assumed.prompt + sampled)
    if config.reward.weights.get("readability", 0) > 0:
        read += _scored(GROWN * played, trees, assumed, config)
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
    return Work(rows=pairs, read=2 * tokens, trained=trained, passes=_passes(config), models=_models(config, assumed))


def _tryout(config: TrainConfig, assumed: Assumed) -> Work:
    """Every pair is trained on once more, under an adapter; references are read before and scores after."""
    tried = config.pairs.influence
    pairs = _pair_count(config, assumed)
    tokens = pairs * _pair_tokens(assumed)
    return Work(rows=pairs, read=tokens, trained=round(tokens * tried.epochs) if tried else 0, passes=4)


def _influence(config: TrainConfig, assumed: Assumed) -> Work:
    """The validation instances are played by the team as it is and with every group's adapter; no dialogue is kept."""
    tried = config.pairs.influence
    count, size = (tried.validation, tried.group) if tried else (0, 1)
    groups = -(-_pair_count(config, assumed) // size)
    return replace(_dialogues(count * (groups + 1), count * (groups + 1), assumed), disk=0)


def _contrast(config: TrainConfig, assumed: Assumed) -> Work:
    """At most: every instance gives its pairs, one for each agent, both sides whole."""
    others = max(0, config.generate.samples - (config.contrast.experts == "best"))
    each = min(1, others) if config.contrast.per == "worst" else others
    pairs = _at_most(config.generate.instances, assumed.train) * each * assumed.agents
    return Work(rows=pairs, disk=pairs * 2 * (assumed.prompt + assumed.tokens) * (ID + 3))


def _contrast_dpo(config: TrainConfig, assumed: Assumed) -> Work:
    pairs = _contrast(config, assumed).rows
    tokens = pairs * 2 * (assumed.prompt + assumed.tokens)
    trained = round(tokens * config.dpo.epochs)
    return Work(rows=pairs, read=2 * tokens, trained=trained, passes=_passes(config), models=_models(config, assumed))


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
    return Work(
        rows=rows,
        read=passes * tokens,
        trained=trained,
        passes=_passes(config),
        models=_models(config, assumed) * (1 + moments),
    )


def _live(config: TrainConfig, assumed: Assumed) -> Work:
    once = _generate(config, assumed) + _rank(config, assumed) + _grpo(config, assumed)
    names = ("dialogues", "sampled", "read", "rows", "trained", "disk")
    return replace(once, passes=_passes(config), **{name: getattr(once, name) * config.grpo.rounds for name in names})


def _evaluate(config: TrainConfig, assumed: Assumed) -> Work:
    count = _at_most(config.evaluate.instances, assumed.test)
    played = _dialogues(count, count, assumed)
    return played + Work(read=_scored(count, count, assumed, config)) if config.evaluate.nll else played


# a training by the stage that made what it is trained on; the live loop has none
TRAINED_ON = {"pairs": _dpo, "advantages": _grpo, "rows": _sft}


def _passes(config: TrainConfig) -> int:
    """Frozen weights need no gradient of their own: 4 P a token instead of 6 P."""
    return 4 if config.train.lora else 6


def _at_most(asked: int, there: int | None) -> int:
    return asked if there is None else min(asked, there)
