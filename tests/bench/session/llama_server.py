"""llama.cpp's server as a process: `python -m tests.bench.session.llama_server FILE` prints its URL
and serves that model until it is ended."""

from __future__ import annotations

import argparse
import signal

from orch.hardware.devices import core_count


def main() -> None:
    """Entry point."""
    import xllamacpp

    parser = argparse.ArgumentParser(prog="python -m tests.bench.session.llama_server")
    parser.add_argument("gguf")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--context", type=int, required=True, help="Tokens of each slot.")
    parser.add_argument("--threads", type=int, default=core_count())
    parser.add_argument("--alias", default="smollm2", help="The model's name.")
    parser.add_argument(
        "--cache-ram",
        type=int,
        default=8_192,
        help="MiB of main memory for prompts without a slot.",
    )
    args = parser.parse_args()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = args.gguf
    parameters.model_alias = {args.alias}
    parameters.n_parallel, parameters.n_ctx = args.slots, args.slots * args.context
    parameters.port, parameters.warmup, parameters.verbosity = 0, False, -1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = args.threads
    parameters.cache_ram_mib = args.cache_ram
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    signal.sigwait((signal.SIGTERM, signal.SIGINT))


if __name__ == "__main__":
    main()
