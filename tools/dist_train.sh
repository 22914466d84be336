#!/usr/bin/env bash
# Train on several GPUs of this machine; without GPUs, on as many CPU processes (gloo).
# Usage: bash tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: bash tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]" >&2
  exit 2
fi
config=$1
gpus=$2
shift 2
exec "${PYTHON:-python}" "$(dirname "$0")/dist_run.py" \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
  --nproc_per_node="$gpus" \
  "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
