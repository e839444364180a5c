"""``mixture-of-agents`` (Wang et al. 2024): layers of proposers that read the layer before; an aggregator concludes."""

from __future__ import annotations

from .baseline import Baseline, Session
from .seats import numbered, seats, told

MERGE = (
    "Merge these into one better reply. Judge them critically: any of them may be biased or wrong, "
    "so do not just repeat one. Conclude with the answer as"
)


async def mixture(session: Session) -> str | None:
    """``layers - 1`` layers of ``proposers``, each reading all replies of the layer before it, then the aggregator.

    Source: arXiv 2406.04692 and its code: 3 layers, 6 proposers, temperature 0.7, nothing else remembered between
    layers. One model takes every part (the paper's single-proposer setting). The replies stand in the user message, not
    in the system message, where model text has no place. In exchange environments proposer ``i`` reads half ``i mod n``
    and the aggregator the first half. Calls: proposers x (layers - 1) + 1.
    """
    places = seats(session, session.options["proposers"])
    temperature = session.options["temperature"]
    prompts = [seat.prompt for seat in places]
    for _ in range(session.options["layers"] - 1):
        replies = await session.together(
            [
                session.ask(seat.name, prompt, temperature=temperature)
                for seat, prompt in zip(places, prompts, strict=True)
            ]
        )
        task = f"Replies to this question so far:\n{numbered(replies)}\n{MERGE} {session.answer_form}."
        prompts = [told(seat.prompt, task) for seat in places]
    return session.answer_in(await session.ask(f"{places[0].name}-aggregator", prompts[0], temperature=temperature))


MIXTURE = Baseline("mixture-of-agents", mixture, defaults={"proposers": 6, "layers": 3, "temperature": 0.7})
