"""The built-in environments: one row each. Every factory is lazy, so the table costs nothing to read."""

from __future__ import annotations

from .spec import DEBATE, EXCHANGE, EnvSpec, Sheet, register

_V0 = ("v0: first version",)

CATALOGUE = (
    EnvSpec(
        "optima/twohop-asym-v0",
        "optima_envs.tasks.twohop:TwoHop",
        EXCHANGE,
        "f1",
        sheet=Sheet("Two-hop questions over a made-up world; neither agent's facts determine the answer."),
    ),
    EnvSpec(
        "optima/arith-debate-v0",
        "optima_envs.tasks.arith:Arith",
        DEBATE,
        "number",
        sheet=Sheet("Small word problems for a solver that errs and a critic that can catch it."),
    ),
    EnvSpec(
        "optima/hotpotqa-asym-v0",
        "optima_envs.tasks.hotpotqa:HotpotQA",
        EXCHANGE,
        "f1",
        sheet=Sheet(
            "HotpotQA (distractor): paragraphs split between the agents.",
            "hub hotpotqa/hotpot_qa, pinned, or data=FILE",
            "CC BY-SA 4.0",
            _V0,
            {"train": 90_447, "validation": 7_405},
            "validation, first 1,000",
            "Yang et al. 2018, arXiv 1809.09600",
        ),
    ),
    EnvSpec(
        "optima/2wmh-asym-v0",
        "optima_envs.tasks.twowiki:TwoWiki",
        EXCHANGE,
        "f1",
        sheet=Sheet(
            "2WikiMultiHopQA: paragraphs split between the agents.",
            "hub xanhho/2WikiMultihopQA, pinned, or data=FILE",
            "Apache-2.0",
            _V0,
            {"train": 167_454, "validation": 12_576},
            "validation, first 1,000",
            "Ho et al. 2020, arXiv 2011.01060",
        ),
    ),
    EnvSpec(
        "optima/triviaqa-asym-v0",
        "optima_envs.tasks.triviaqa:TriviaQA",
        EXCHANGE,
        "f1",
        sheet=Sheet(
            "TriviaQA (rc): search snippets split between the agents.",
            "hub mandarjoshi/trivia_qa, pinned, or data=FILE",
            "not stated",
            _V0,
            {"train": 138_384, "validation": 17_944},
            "validation, first 1,000",
            "Joshi et al. 2017, arXiv 1705.03551",
        ),
    ),
    EnvSpec(
        "optima/cbt-asym-v0",
        "optima_envs.tasks.cbt:CBT",
        EXCHANGE,
        "f1",
        sheet=Sheet(
            "Children's Book Test (common nouns): the story split between the agents.",
            "hub cam-cst/cbt at branch main (no commit known), or data=FILE",
            "GFDL 1.3",
            _V0,
            {"train": 120_769, "validation": 2_000, "test": 2_500},
            "test, first 1,000",
            "Hill et al. 2016, arXiv 1511.02301",
        ),
    ),
    EnvSpec(
        "optima/gsm8k-debate-v0",
        "optima_envs.tasks.gsm8k:GSM8K",
        DEBATE,
        "number",
        {"answer_format": "boxed"},
        Sheet(
            "GSM8K grade-school maths, debated.",
            "hub openai/gsm8k, pinned, or data=FILE",
            "MIT",
            _V0,
            {"train": 7_473, "test": 1_319},
            "test, all",
            "Cobbe et al. 2021, arXiv 2110.14168",
        ),
    ),
    EnvSpec(
        "optima/math-debate-v0",
        "optima_envs.tasks.hendrycks:HendrycksMath",
        DEBATE,
        "math",
        {"answer_format": "boxed"},
        Sheet(
            "MATH competition problems, debated.",
            "hub EleutherAI/hendrycks_math, pinned, or data=FILE",
            "MIT",
            _V0,
            {"train": 7_500, "test": 5_000},
            "test, all",
            "Hendrycks et al. 2021, arXiv 2103.03874",
        ),
    ),
    EnvSpec(
        "optima/arc-debate-v0",
        "optima_envs.tasks.arc:ARC",
        DEBATE,
        "choice",
        sheet=Sheet(
            "ARC-Challenge science questions with options, debated.",
            "hub allenai/ai2_arc, pinned, or data=FILE",
            "CC BY-SA 4.0",
            _V0,
            {"train": 1_119, "validation": 299, "test": 1_172},
            "test, all",
            "Clark et al. 2018, arXiv 1803.05457",
        ),
    ),
    EnvSpec(
        "optima/mmlu-debate-v0",
        "optima_envs.tasks.mmlu:MMLU",
        DEBATE,
        "choice",
        sheet=Sheet(
            "MMLU questions with options, debated.",
            "hub cais/mmlu, pinned, or data=FILE",
            "MIT",
            _V0,
            {"train": 99_842, "dev": 285, "validation": 1_531, "test": 14_042},
            "test, less the questions ARC-Challenge shares",
            "Hendrycks et al. 2021, arXiv 2009.03300",
        ),
    ),
)

for _row in CATALOGUE:
    register(_row)
