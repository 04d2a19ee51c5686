"""``python -m routerbench serve DIR``: serve a trained router over HTTP."""

from __future__ import annotations

import argparse
import logging
import math
import os
from importlib.util import find_spec
from pathlib import Path

from routerbench.commands.options import add_spending_options
from routerbench.errors import InputError

API_KEY = "ROUTERBENCH_API_KEY"
GRACE_SECONDS = 60  # for running requests when the server is stopped


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Serve a trained router: POST /v1/route decides, POST /v1/chat/completions forwards to the chosen model as "
        f"OpenAI's API, GET /metrics is for Prometheus. If {API_KEY} is set, clients must send it as their key."
    )
    parser.add_argument(
        "router", metavar="DIR", help="a router's folder, as outputs/mlp/router, or owner/name on the hub"
    )
    add_spending_options(parser.add_mutually_exclusive_group())
    parser.add_argument(
        "--providers", type=Path, metavar="FILE", help="YAML or JSON: MODEL: {model, api_base, api_key}"
    )
    parser.add_argument("--log", type=Path, metavar="FILE.jsonl", help="log prompts and decisions; no log by default")
    parser.add_argument("--backend", choices=("torch", "onnx"), default="torch", help="onnx after `export DIR`")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=8000, help="port to listen at")
    parser.add_argument("--queue", type=int, default=1024, metavar="N", help="prompts that may wait; then 503")
    parser.add_argument("--max-body", type=float, default=32.0, metavar="MB", help="most of a request; beyond, 413")
    parser.add_argument("--poll", type=float, default=1.0, metavar="SECONDS", help="look for a new router; 0: never")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from routerbench.artefact import locate

    try:
        import uvicorn

        if options.providers and find_spec("litellm") is None:  # importing it takes seconds
            raise ModuleNotFoundError("no litellm", name="litellm")
        from routerbench.serving.app import make_app
        from routerbench.serving.providers import read_providers
        from routerbench.serving.served_router import ServedRouter
        from routerbench.serving.service import Service
        from routerbench.serving.spending import Spending
    except ModuleNotFoundError as error:
        raise InputError(f"serving needs {error.name}; pip install 'routerbench[serve]'") from error
    for name, least, most in (
        ("queue", 1, math.inf),
        ("poll", 0, math.inf),
        ("max_body", 0, math.inf),
        ("port", 0, 65535),
    ):
        if not least <= getattr(options, name) <= most:
            limits = f"at least {least}" if most == math.inf else f"from {least} to {most}"
            raise InputError(f"--{name.replace('_', '-')} must be {limits}, got {getattr(options, name)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "LiteLLM"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    default = Spending(options.willingness_to_pay, options.budget, options.keep)
    served = ServedRouter(locate(options.router, options.backend), options.device, options.backend, default)
    providers = read_providers(options.providers) if options.providers else None
    service = Service(served, providers, options.log, options.queue, options.poll)
    app = make_app(service, os.environ.get(API_KEY) or None, int(options.max_body * 2**20))
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
