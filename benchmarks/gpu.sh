#!/usr/bin/env bash
# Everything that a GPU has to show, in one go: tests, then speed beside the peers. About five minutes.
# benchmarks/gpu.sh [FOLDER OF AN ENCODER]   by default all-MiniLM-L6-v2 as it was installed
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD" MODEL="${1:-}"
run() { printf '\n$ python %s\n' "$*"; python -W ignore "$@"; }
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
run -m pytest tests/test_gpu.py tests/encoders/test_packed.py
run benchmarks/encode.py --device cuda --limit 12000 --rounds 2 ${MODEL:+--model "$MODEL"}
run benchmarks/encode.py --device cuda --limit 8000 --rounds 1 --random bert-base ${MODEL:+--model "$MODEL"}
for batch in 32 128; do
  run benchmarks/finetune.py --seconds 10 --prompts 6000 --batch "$batch" ${MODEL:+--model "$MODEL"}
done
run benchmarks/finetune.py --seconds 10 --prompts 6000 --bert-base ${MODEL:+--model "$MODEL"}
run benchmarks/finetune.py --seconds 10 --prompts 6000 --compile ${MODEL:+--model "$MODEL"}
run benchmarks/train.py
