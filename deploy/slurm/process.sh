#!/usr/bin/env bash
# One task of a step of hiper.sbatch: process.sh ROLE CONFIGURATION RUN_DIR
set -uo pipefail
source "$HIPER_HOME/deploy/slurm/processes.sh"

role="$1" configuration="$2" run_dir="$3"
host="$(hostname)"
python="${HIPER_PYTHON:-python}"
learner="$HIPER_LEARNER_HOST:$(learner_port "$HIPER_JOB")"
name="$role-${SLURM_PROCID:-0}"

# An input that never ends, for --exit-with-parent: with it, a learner whose training has failed ends after telling
# why, and so is started again.
pipe="$(mktemp --dry-run)"
mkfifo "$pipe"
exec 0<>"$pipe"
rm "$pipe"

case "$role" in
    learner)
        keep "$name" "$python" -m learner.server --config "$configuration" --run-dir "$run_dir" \
            --learner.listen "0.0.0.0:${learner##*:}" --exit-with-parent
        ;;
    planner | executor)
        port="$(server_port "$HIPER_JOB" "$role" "${SLURM_LOCALID:-0}")"
        keep "$name" "$python" -m "$role.server" --config "$configuration" "--$role.listen" "0.0.0.0:$port" \
            "--$role.advertise" "$host:$port" --learner.address "$learner"
        ;;
    orchestrator)
        # Each start has a new folder; what a run leaves behind is in the learner's.
        play() {
            exec "$python" -m orchestrator.rollout --config "$configuration" --learner.address "$learner" \
                --run-dir "$(mktemp -d)/run"
        }
        keep "$name" play
        ;;
    *)
        echo "process.sh: $role is not learner, planner, executor or orchestrator" >&2
        exit 2
        ;;
esac
