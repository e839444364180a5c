"""The baselines that come with the suite: one row each, imported when first used."""

METHODS = {
    "cot": "benchmarks.methods.cot:COT",
    "cot-half": "benchmarks.methods.cot:COT_HALF",
    "self-consistency": "benchmarks.methods.self_consistency:SELF_CONSISTENCY",
    "dialogue": "benchmarks.methods.dialogue:DIALOGUE",
    "dialogue-sc": "benchmarks.methods.self_consistency:DIALOGUE_SC",
    "solver-critic": "benchmarks.methods.dialogue:SOLVER_CRITIC",
    "autoform": "benchmarks.methods.dialogue:AUTOFORM",
    "context-dump": "benchmarks.methods.context_dump:CONTEXT_DUMP",
    "self-refine": "benchmarks.methods.self_refine:SELF_REFINE",
    "reflexion": "benchmarks.methods.reflexion:REFLEXION",
    "mad": "benchmarks.methods.debate_du:MAD",
    "divergent-debate": "benchmarks.methods.debate_liang:DIVERGENT",
    "dylan": "benchmarks.methods.dylan:DYLAN",
    "macnet": "benchmarks.methods.macnet:MACNET",
    "mixture-of-agents": "benchmarks.methods.mixture:MIXTURE",
    "debategpt": "benchmarks.methods.debategpt:DEBATEGPT",
}
