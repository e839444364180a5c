"""vLLM on the CPU with the embedded model: rollouts beside one flat generate, prefix reuse, and a threaded client."""

from __future__ import annotations

from optima_agents.backends.chat.model_files import TINY
from optima_agents.backends.vllm_engine.machine import CPU

from .engine_table import PARTS, Setup, measure
from .timing import arguments, conclude

# as the vllm backend starts it on a CPU; named here, since the flat run and the server start without it
ENGINE = {"dtype": "float32", **CPU}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--instances", type=int, default=48, help="questions, 8 dialogues each (default 48)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds after the warm-up (default 3)")
    parser.add_argument("--concurrency", type=int, default=128, help="dialogues in flight (default 128)")
    parser.add_argument("--engines", type=int, default=2, help="in process with so many engines as well (default 2)")
    parser.add_argument("--logprobs", action="store_true", help="ask for the sampled tokens' log-probabilities, too")
    parser.add_argument(
        "--part",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        help="rollouts beside a flat generate, or in process or over HTTP beside threads at a server (default: all)",
    )
    parser.add_argument(
        "--servers",
        type=int,
        nargs="+",
        help="engines of the servers; one engine is as vLLM starts it (default 1 and --engines)",
    )
    parser.add_argument("--eager", action="store_true", help="do not compile the model: starts sooner, runs slower")
    args = parser.parse_args()
    seqs = max(256, args.concurrency)
    room = CPU["kv_cache_memory_bytes"] * seqs // 256  # a GiB holds the two histories of about so many dialogues
    engine = {**ENGINE, "max_num_seqs": seqs, "kv_cache_memory_bytes": room, "enforce_eager": args.eager}
    setup = Setup(
        str(TINY),
        engine,
        instances=args.instances,
        concurrency=args.concurrency,
        rounds=args.rounds,
        engines=args.engines,
        logprobs=args.logprobs,
        parts=args.part,
        servers=args.servers or sorted({1, args.engines}),
    )
    return conclude(measure(setup), args.json)


if __name__ == "__main__":
    raise SystemExit(main())
