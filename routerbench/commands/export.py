"""``python -m routerbench export DIR``: export a trained router, to ONNX by default."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from routerbench.commands.options import add_spending_options, given_lambda
from routerbench.errors import InputError

FORMATS = ("onnx", "vllm-semantic-router", "routerarena")
OPTIONS = {  # of each format, in addition to the folder
    "onnx": (),
    "vllm-semantic-router": ("willingness_to_pay", "budget", "keep", "prompts", "output", "model_names"),
    "routerarena": ("willingness_to_pay", "budget", "keep", "prompts", "output", "model_names", "optimality"),
}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Write a trained router for others. --to onnx: into its own folder as graphs, encoder.onnx with tokenizer.json "
        "and router.onnx, compared with torch; routerbench.load(DIR, backend='onnx') then routes without torch. "
        "--to vllm-semantic-router: the JSON artefact of its model selection, knn, kmeans, svm or mlp, at one lambda. "
        "--to routerarena: the prediction file of a submission to RouterArena."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="a router's folder, as outputs/mlp/router")
    parser.add_argument("--to", choices=FORMATS, default="onnx", help="the format; onnx by default")
    add_spending_options(parser)
    parser.add_argument(
        "--prompts", metavar="FILE", type=Path,
        help="prompts to route (routerarena), or to try the artefact on (vllm-semantic-router)",
    )  # fmt: skip
    parser.add_argument(
        "--optimality", metavar="FILE", type=Path,
        help="routerarena: the prompts of its split sub_10, on which the models that were not chosen are asked, too",
    )  # fmt: skip
    parser.add_argument("--model-names", metavar="FILE.json", type=Path, help="from our names of the models to theirs")
    parser.add_argument("--output", metavar="FILE.json", type=Path, help="the file to write")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    for option in OPTIONS["routerarena"]:
        if getattr(options, option) is not None and option not in OPTIONS[options.to]:
            raise InputError(f"--{option.replace('_', '-')} is no option of --to {options.to}; leave it out")
    {"onnx": _onnx, "vllm-semantic-router": _vllm_semantic_router, "routerarena": _routerarena}[options.to](options)


def _onnx(options: argparse.Namespace) -> None:
    from routerbench.export import export

    written = export(options.folder)
    for file in written.files:
        sys.stdout.write(f"{file}: {file.stat().st_size / 1e6:.1f} MB\n")
    if not written.files:
        sys.stdout.write(f"{options.folder}: encoder and router run without torch as they are; no graph is needed\n")
    else:
        difference = f"largest difference to torch in {written.dtype}: {written.difference:.1g}"
        others = "" if written.dtype == "float32" else "; the graphs compute in float32, so a choice may differ"
        sys.stdout.write(f"{difference}{others}\n")


def _vllm_semantic_router(options: argparse.Namespace) -> None:
    from routerbench.artefact import load
    from routerbench.export.vllm_semantic_router import export

    trained = load(options.folder, device="cpu")
    lambda_ = given_lambda(options, trained)
    written = export(trained, options.folder, lambda_, options.output, options.model_names, options.prompts)
    sys.stdout.write(
        f"{written.file}: {written.file.stat().st_size / 1e6:.1f} MB, at lambda {lambda_:g} USD per unit of quality\n"
        f"chooses as the router does for {written.agreement:.1%} of {written.tried}\n"
        + "".join(f"lost: {sentence}\n" for sentence in written.lost)
        + f"embed there with {trained.encoder.identity}, {trained.router.embedding_dim} numbers for each prompt\n"
    )


def _routerarena(options: argparse.Namespace) -> None:
    from routerbench.artefact import load
    from routerbench.export.routerarena import export

    if options.prompts is None or options.output is None:
        raise InputError("--to routerarena needs --prompts FILE, with global index and prompt, and --output NAME.json")
    trained = load(options.folder, device="cpu")
    lambda_ = given_lambda(options, trained)
    written = export(trained, options.prompts, lambda_, options.output, options.model_names, options.optimality)
    calls = ", ".join(f"{name} {count:,}" for name, count in written.calls.items() if count)
    sys.stdout.write(
        f"{written.predictions}: {sum(written.calls.values()):,} prompts at lambda {lambda_:g} USD per unit of quality "
        f"({calls}) and {written.optimality:,} entries for optimality\n"
        f"{written.config}: the config to go with it\n"
    )
