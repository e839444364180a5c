"""Methods: each a recipe from an iteration to its list of stages.

``METHODS`` is open: ``@METHODS.register("mine")`` over a function ``config -> Recipe`` adds one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optima_envs.registry import Registry

from .config.loading import ConfigError
from .config.settings import TrainConfig
from .run.stage import Stage, Step

Recipe = Callable[[int], Sequence[Stage]]
METHODS: Registry[Callable[[TrainConfig], Recipe]] = Registry("method", "optima.methods")
"""Training methods by name: functions of a configuration that give a recipe, the stages of each iteration."""


@METHODS.register("isft")
def isft(config: TrainConfig) -> Recipe:
    """Iterative SFT (paper Alg. 2): the best dialogue of each instance, then supervised fine-tuning.

    Iteration 0 is the initialisation (Alg. 1): the same stages, with the format pool in the prompts.
    """
    stages = _sft_stages()
    return lambda iteration: stages


@METHODS.register("idpo")
def idpo(config: TrainConfig) -> Recipe:
    """Iterative DPO (paper Alg. 3): the initialisation of iSFT, then pairs of turns from trees, with an NLL term."""
    first, then = _sft_stages(), _dpo_stages(config)
    return lambda iteration: then if iteration else first


@METHODS.register("isft-dpo")
def isft_dpo(config: TrainConfig) -> Recipe:
    """The hybrid (paper section 2.5): an SFT and a DPO iteration in turn."""
    sft, dpo = _sft_stages(), _dpo_stages(config)
    return lambda iteration: dpo if iteration % 2 else sft


@METHODS.register("imitate")
def imitate(config: TrainConfig) -> Recipe:
    """Imitation of other people's trajectories (``data``): collected, mixed, supervised fine-tuning."""
    stages = _imitation_stages()
    return lambda iteration: stages


@METHODS.register("agenttuning")
def agenttuning(config: TrainConfig) -> Recipe:
    """AgentTuning (arXiv 2310.12823): agent data beside general data in the shares ``mix.eta`` and 1 - ``mix.eta``."""
    _needs_general(config)
    return imitate(config)


@METHODS.register("flan")
def flan(config: TrainConfig) -> Recipe:
    """Agent-FLAN (arXiv 2403.12881): runs as talk, weighed by capability, with negatives, beside general data.

    That is the sources' steps ``chat``, ``tags`` and ``negatives``; without ``chat`` in any it is refused.
    """
    _needs_step(config, "chat")
    return imitate(config)


@METHODS.register("debategpt")
def debategpt(config: TrainConfig) -> Recipe:
    """DebateGPT (OpenReview ChNy95ovpF): one model learns what debates end in (the steps ``distil`` and ``clean``)."""
    _needs_step(config, "distil")
    return imitate(config)


@METHODS.register("fireact")
def fireact(config: TrainConfig) -> Recipe:
    """FireAct (arXiv 2310.05915): iSFT over several methods of prompting (``generate.formats``), of which every
    successful one is learned (``select.per: format``); with ``data``, others' runs beside the own ones."""
    if config.select.per != "format":
        raise ConfigError("select.per: fireact learns from every successful method; set it to format")
    if not config.data:
        return isft(config)
    if not config.mix.own:
        raise ConfigError("mix.own: fireact mixes its own runs with data; give their weight")
    stages = _fireact_stages()
    return lambda iteration: stages


@METHODS.register("nat")
def nat(config: TrainConfig) -> Recipe:
    """NAT (arXiv 2402.11651): others' dialogues (``data``) or own ones, right and wrong, each learned under the
    sentence of its outcome's class (``condition``)."""
    if config.condition is None:
        raise ConfigError("condition: nat needs classes; set condition={infer: correct}")
    if config.condition.by == "reward" and config.data:
        raise ConfigError("condition.by: only dialogues that this run samples have a reward; set it to score")
    stages = _nat_stages(bool(config.data))
    return lambda iteration: stages


@METHODS.register("eto")
def eto(config: TrainConfig) -> Recipe:
    """ETO (arXiv 2403.02502): imitation of ``data`` first (without any: of the own best dialogues), then rounds of
    exploring and preferring, whole dialogues against each other (``contrast``)."""
    _check_experts(config)
    first = _imitation_stages() if config.data else _sft_stages()
    then = _contrast_stages(config)
    return lambda iteration: then if iteration else first


@METHODS.register("cmat")
def cmat(config: TrainConfig) -> Recipe:
    """CMAT (arXiv 2404.01663): an actor and a checker who vetoes, with reflections in further attempts; supervised and
    preference rounds in turn. Iteration 0 imitates ``data``, if there is any. With ``train.prompt_tokens`` every round
    is supervised."""
    _check_experts(config)
    first = _imitation_stages() if config.data else _sft_stages()
    then = (_sft_stages(), _sft_stages() if config.train.prompt_tokens else _contrast_stages(config))
    return lambda iteration: then[iteration % 2] if iteration else first


@METHODS.register("lumos")
def lumos(config: TrainConfig) -> Recipe:
    """Lumos (arXiv 2311.05657): planner and grounder learn from ``data``, each with weights of its own."""
    if config.train.sharing == "shared":
        raise ConfigError("train.sharing: lumos trains planner and grounder apart; set it to adapter or full")
    return imitate(config)


@METHODS.register("ste")
def ste(config: TrainConfig) -> Recipe:
    """STE (arXiv 2403.04746): tasks imagined for tools, tried and judged (``imagine``), then learned, with a share of
    earlier iterations' rows (``mix.replay``) and ``data`` beside them; before ``imagine.first``, ``data`` alone."""
    from .config.data_settings import shares

    def recipe(iteration: int) -> Sequence[Stage]:
        others = bool(shares(config.data, config.mix, iteration))
        return _explored_stages(others) if iteration >= config.imagine.first else _imitation_stages()

    return recipe


def _check_experts(config: TrainConfig) -> None:
    experts = config.contrast.experts
    if experts != "best" and experts not in config.data:
        raise ConfigError(f"contrast.experts: {experts} is no source in data; name one, or best for self-play")
    if experts != "best" and config.contrast.by == "reward":
        raise ConfigError("contrast.by: an expert's dialogues have no reward; set it to score")


def _needs_general(config: TrainConfig) -> None:
    if config.mix.eta is None:
        raise ConfigError("mix.eta: agenttuning needs the share of agent data, such as 0.2")
    kinds = {source.general for source in config.data.values()}
    missing = [name for name, kind, share in (("agent", False, config.mix.eta), ("general", True, 1 - config.mix.eta))
               if share and kind not in kinds]  # fmt: skip
    if missing:
        raise ConfigError(f"data: no source of {missing[0]} data, which mix.eta={config.mix.eta:g} asks for")


def _needs_step(config: TrainConfig, wanted: str) -> None:
    names = {name for source in config.data.values() for step in source.steps
             for name in ([step] if isinstance(step, str) else step)}  # fmt: skip
    if wanted not in names:
        raise ConfigError(f"data: {config.method} needs a source with the step {wanted}")


def _imitation_stages() -> Sequence[Stage]:
    from .imitation.collect import Collect
    from .imitation.mix import Mix
    from .stages.evaluate import Evaluate
    from .training.sft import SftOnMix

    return Collect(), Mix(), SftOnMix(), Evaluate()


def _nat_stages(others: bool) -> Sequence[Stage]:
    from .imitation.collect import Collect
    from .imitation.condition import Condition
    from .imitation.mix import Mix
    from .stages.evaluate import Evaluate
    from .stages.generate import Generate
    from .stages.rank import Rank
    from .training.sft import SftOnMix

    found = (Collect(), Condition("collect")) if others else (Generate(), Rank(), Condition("generate"))
    return *found, Mix("condition"), SftOnMix(), Evaluate()


def _explored_stages(others: bool) -> Sequence[Stage]:
    from .imitation.collect import Collect
    from .imitation.imagine import Imagine
    from .imitation.mix import COLLECTED, EXPLORED, Mix
    from .stages.evaluate import Evaluate
    from .training.sft import SftOnMix

    found = (Imagine(), Collect()) if others else (Imagine(),)
    logs = (EXPLORED, COLLECTED) if others else (EXPLORED,)
    return *found, Mix(*logs), SftOnMix(), Evaluate()


def _contrast_stages(config: TrainConfig) -> Sequence[Stage]:
    from .imitation.contrast import Contrast
    from .stages.evaluate import Evaluate
    from .stages.generate import Generate
    from .stages.rank import Rank

    return Generate(), Rank(), Contrast(), *_preferred(config), Evaluate()


def _preferred(config: TrainConfig) -> Sequence[Stage]:
    """Preference training, on all pairs or on those of the greatest influence."""
    from .training.dpo import Dpo, DpoOnInfluence

    if config.pairs.influence is None:
        return (Dpo(),)
    from .tree_search.influence import Influence
    from .tree_search.tryout import Tryout

    return Tryout(), Influence(), DpoOnInfluence()


def _fireact_stages() -> Sequence[Stage]:
    from .imitation.collect import Collect
    from .imitation.mix import Mix
    from .stages.evaluate import Evaluate
    from .stages.generate import Generate
    from .stages.rank import Rank
    from .stages.rows import BuildRows
    from .stages.selection import Select
    from .training.sft import SftOnMix

    return Generate(), Rank(), Select(), BuildRows(), Collect(), Mix(), SftOnMix(), Evaluate()


def _sft_stages() -> Sequence[Stage]:
    from .stages.evaluate import Evaluate
    from .stages.generate import Generate
    from .stages.rank import Rank
    from .stages.rows import BuildRows
    from .stages.selection import Select
    from .training.sft import Sft

    return Generate(), Rank(), Select(), BuildRows(), Sft(), Evaluate()


def _dpo_stages(config: TrainConfig) -> Sequence[Stage]:
    from .stages.evaluate import Evaluate
    from .tree_search.grow import Grow
    from .tree_search.pairs import Pairs

    return Grow(), Pairs(), *_preferred(config), Evaluate()


@METHODS.register("grpo")
def grpo(config: TrainConfig) -> Recipe:
    """Policy gradients (the GRPO family) on an iteration's dialogues, or its trees where the estimator needs them."""
    from .online.advantages import Advantages
    from .online.credit.estimators import on_trees
    from .online.grpo import Grpo
    from .online.settings_check import check_online
    from .stages.evaluate import Evaluate
    from .stages.generate import Generate
    from .stages.rank import Rank
    from .tree_search.grow import Grow

    check_online(config, live=False)
    sampled = (Grow(),) if on_trees(config.grpo.estimator) else (Generate(), Rank())
    stages = (*sampled, Advantages(), Grpo(), Evaluate())
    return lambda iteration: stages


@METHODS.register("grpo-live")
def grpo_live(config: TrainConfig) -> Recipe:
    """The same in one process, over the very model that is trained: every round plays the team the last one left."""
    from .online.live import Live
    from .online.settings_check import check_online
    from .stages.evaluate import Evaluate

    check_online(config, live=True)
    stages = Live(), Evaluate()
    return lambda iteration: stages


def plan(config: TrainConfig) -> list[Step]:
    """Every step of a run, in order: the untrained team's evaluation, then each iteration's stages."""
    from .stages.evaluate import Evaluate

    recipe = METHODS[config.method](config)
    steps = [Step(-1, Evaluate())]
    for iteration in range(config.iterations):
        steps += [Step(iteration, stage) for stage in recipe(iteration)]
    return steps
