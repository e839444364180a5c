"""A random Llama, one chat per template family, and a faulty server with one who asks it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.chats import FAMILIES, make_tokenizer
from support.faulty_server import ASK, FaultyServer, faulty_server
from support.random_llama import save_random_llama


@pytest.fixture(scope="session")
def chats():
    """One ChatTokenizer per template family."""
    from optima_agents.backends.chat.templates import ChatTokenizer

    return {name: ChatTokenizer(make_tokenizer(name)) for name in FAMILIES}


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random two-layer Llama (grouped-query attention, window 512) and the ChatML tokenizer."""
    return save_random_llama(
        tmp_path_factory.mktemp("small"),
        make_tokenizer("chatml"),
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
    )


@pytest.fixture
def server():
    with faulty_server() as running:
        yield running


@pytest.fixture
def ask(server: FaultyServer):
    """Asks once by a fresh backend and closes it."""

    def once(request=ASK, method="complete", backend=None, **options):
        from optima_agents import make_backend

        backend = backend or make_backend(f"openai:{server.url}", **options)

        async def run():
            try:
                return await getattr(backend, method)(*(request if isinstance(request, tuple) else (request,)))
            finally:
                await backend.aclose()

        return asyncio.run(run())

    return once
