#!/usr/bin/env bash
# Evaluate on several GPUs of this machine; without GPUs, on as many CPU processes (gloo).
# Usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]" >&2
  exit 2
fi
config=$1
checkpoint=$2
gpus=$3
shift 3
exec "${PYTHON:-python}" "$(dirname "$0")/dist_run.py" \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29501}" \
  --nproc_per_node="$gpus" \
  "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
