"""``macnet`` (Qian et al. 2024): a graph of actors; along its edges critics instruct and only artifacts are passed."""

from __future__ import annotations

import random

from optima_envs.records import Turn

from .baseline import Baseline, Session
from .graph import TOPOLOGIES, layers, sinks, sources
from .seats import Seat, numbered, pasted, seats, told

CRITIC = "You review a draft solution of a question. Point out its worst fault and say how to mend it."


async def macnet(session: Session) -> str | None:
    """Walk the graph in topological order: sources solve, every edge revises its source's artifact, nodes merge.

    Source: arXiv 2406.07155 and its code (ChatDev, branch macnet): ``topology`` chain, star or random over 4 nodes; the
    random graph is drawn once per run seed. Along an edge the critic reads the artifact and instructs, then the actor
    of the target node revises the artifact; one exchange, as in the code. A node with several edges into it merges
    what they gave. Nobody sees more than artifacts, so prompts do not grow along the way. ``temperature`` falls
    linearly with depth, from the code's virtual input (1) to its output (0). Where several nodes end the graph, an
    output seat merges their artifacts; the code's critics at the output are left out.

    In exchange environments node ``i`` (its actor and the critics of its incoming edges) holds half ``i mod n``.
    Calls: 1 a source, 2 an edge, 1 a merge.
    """
    count = session.options["nodes"]
    edges = TOPOLOGIES[session.options["topology"]](count, random.Random(f"macnet/{session.key.seed}"))
    session.info["edges"] = [list(edge) for edge in edges]
    *places, output = seats(session, count + 1)
    levels = layers(count, edges)
    artifacts: dict[int, Turn] = {}
    for depth, level in enumerate(levels):
        temperature = session.options["temperature"] * (1 - (depth + 1) / (len(levels) + 1))
        roots = [node for node in level if not sources(node, edges)]
        calls = [session.ask(places[node].name, places[node].prompt, temperature=temperature) for node in roots]
        artifacts.update(zip(roots, await session.together(calls), strict=True))
        revised = await revise(session, places, [edge for edge in edges if edge[1] in level], artifacts, temperature)
        merging = [node for node in level if len(revised.get(node, [])) > 1]
        merged = await session.together([merge(session, places[node], revised[node], temperature) for node in merging])
        artifacts.update({node: drafts[0] for node, drafts in revised.items()})
        artifacts.update(zip(merging, merged, strict=True))
    ends = [artifacts[node] for node in sinks(count, edges)]
    return session.answer_in(ends[0] if len(ends) == 1 else await merge(session, output, ends, 0.0))


async def revise(
    session: Session, places: list[Seat], edges: list[tuple[int, int]], artifacts: dict[int, Turn], temperature: float
) -> dict[int, list[Turn]]:
    """Artifacts revised along ``edges``, by target node: all critics at the same time, then all actors."""
    drafts = [f"Draft:\n{pasted([artifacts[low]])}" for low, _ in edges]
    critics = []
    for (_, high), draft in zip(edges, drafts, strict=True):
        facts = places[high].prompt[1:]  # what its node knows, without the solver's task
        prompt = told(({"role": "system", "content": CRITIC}, *facts), draft)
        critics.append(session.ask(f"{places[high].name}-critic", prompt, temperature=temperature))
    comments = await session.together(critics)
    actors = []
    for (_, high), draft, comment in zip(edges, drafts, comments, strict=True):
        task = f"{draft}\n{pasted([comment])}\nWrite the whole solution anew, mended, with the answer as"
        prompt = told(places[high].prompt, f"{task} {session.answer_form}.")
        actors.append(session.ask(places[high].name, prompt, temperature=temperature))
    revised: dict[int, list[Turn]] = {}
    for (_, high), turn in zip(edges, await session.together(actors), strict=True):
        revised.setdefault(high, []).append(turn)
    return revised


async def merge(session: Session, seat: Seat, drafts: list[Turn], temperature: float) -> Turn:
    """One artifact out of several."""
    task = (
        f"{numbered(drafts)}\nMerge these into one solution that keeps what is right in each of them, "
        f"with the answer as {session.answer_form}."
    )
    return await session.ask(seat.name, told(seat.prompt, task), temperature=temperature)


MACNET = Baseline(
    "macnet",
    macnet,
    defaults={"nodes": 4, "topology": "random", "temperature": 1.0},
    choices={"topology": tuple(TOPOLOGIES)},
)
