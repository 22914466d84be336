#!/usr/bin/env bash
# Train on a Slurm cluster, one task a GPU, in a batch job that continues where its time ended.
# Usage: [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SBATCH_ARGS=...] [SRUN_ARGS=...] \
#        tools/slurm_train.sh PARTITION JOB CONFIG [arguments of tools/train.py]
#
# 120 seconds before the time is up Slurm sends USR1: the run saves, requeues the job and leaves.
# A job that was requeued starts with --resume instead of --overwrite.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: tools/slurm_train.sh PARTITION JOB CONFIG [arguments of tools/train.py]" >&2
  exit 2
fi
partition=$1
job=$2
config=$3
shift 3
gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-8}
tool=$(cd "$(dirname "$0")" && pwd)/train.py
srun=(srun --kill-on-bad-exit=1)
train=("${PYTHON:-python}" -u "$tool" "$config" --launcher slurm)
first=("$@")
again=(--resume)
for argument in "$@"; do
  case $argument in
    --overwrite | --resume) ;;
    *) again+=("$argument") ;;
  esac
done
quoted() { [ $# -eq 0 ] || printf '%q ' "$@"; }
# shellcheck disable=SC2086
exec sbatch -p "$partition" --job-name="$job" \
  --gres="gpu:$gpus_per_node" --ntasks="$gpus" --ntasks-per-node="$gpus_per_node" \
  --cpus-per-task="${CPUS_PER_TASK:-5}" \
  --signal=USR1@120 --requeue --open-mode=append ${SBATCH_ARGS:-} <<BATCH
#!/usr/bin/env bash
if [ -n "\${SLURM_RESTART_COUNT:-}" ]; then
  set -- $(quoted "${again[@]}")
else
  set -- $(quoted ${first[@]+"${first[@]}"})
fi
exec $(quoted "${srun[@]}") ${SRUN_ARGS:-} --cpus-per-task="${CPUS_PER_TASK:-5}" $(quoted "${train[@]}") "\$@"
BATCH
