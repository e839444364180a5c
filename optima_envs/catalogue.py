"""The built-in environments: one row each. Every factory is lazy, so the table costs nothing to read."""

from __future__ import annotations

from .spec import DEBATE, EXCHANGE, EnvSpec, Sheet, register

_HUB = "Hugging Face hub at a pinned revision, or data=FILE"

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
        sheet=Sheet("HotpotQA (distractor): paragraphs split between the agents.", _HUB, "CC BY-SA 4.0"),
    ),
    EnvSpec(
        "optima/2wmh-asym-v0",
        "optima_envs.tasks.twowiki:TwoWiki",
        EXCHANGE,
        "f1",
        sheet=Sheet("2WikiMultiHopQA: paragraphs split between the agents.", _HUB, "Apache-2.0"),
    ),
    EnvSpec(
        "optima/triviaqa-asym-v0",
        "optima_envs.tasks.triviaqa:TriviaQA",
        EXCHANGE,
        "f1",
        sheet=Sheet("TriviaQA (rc): search snippets split between the agents.", _HUB, "not stated"),
    ),
    EnvSpec(
        "optima/cbt-asym-v0",
        "optima_envs.tasks.cbt:CBT",
        EXCHANGE,
        "f1",
        sheet=Sheet("Children's Book Test (common nouns): the story split between the agents.", _HUB, "GFDL 1.3"),
    ),
    EnvSpec(
        "optima/gsm8k-debate-v0",
        "optima_envs.tasks.gsm8k:GSM8K",
        DEBATE,
        "number",
        {"answer_format": "boxed"},
        Sheet("GSM8K grade-school maths, debated.", _HUB, "MIT"),
    ),
    EnvSpec(
        "optima/math-debate-v0",
        "optima_envs.tasks.hendrycks:HendrycksMath",
        DEBATE,
        "math",
        {"answer_format": "boxed"},
        Sheet("MATH competition problems, debated.", _HUB, "MIT"),
    ),
    EnvSpec(
        "optima/arc-debate-v0",
        "optima_envs.tasks.arc:ARC",
        DEBATE,
        "choice",
        sheet=Sheet("ARC-Challenge science questions with options, debated.", _HUB, "CC BY-SA 4.0"),
    ),
    EnvSpec(
        "optima/mmlu-debate-v0",
        "optima_envs.tasks.mmlu:MMLU",
        DEBATE,
        "choice",
        sheet=Sheet("MMLU questions with options, debated.", _HUB, "MIT"),
    ),
)

for _row in CATALOGUE:
    register(_row)
