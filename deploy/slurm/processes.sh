# Functions of hiper.sbatch and of its steps: names, ports, and processes that are started again when they die.

# Port of the learner: the same after each restart, and another one for each job.
learner_port() { # JOB_ID
    echo $((20000 + $1 % 10000))
}

# Port of a model server, by its number among those of its node; planners and executors may share one.
server_port() { # JOB_ID ROLE LOCAL_NUMBER
    local first
    case "$2" in
        planner) first=30000 ;;
        executor) first=31000 ;;
        *) echo "server_port: $2 is neither planner nor executor" >&2; return 2 ;;
    esac
    echo $((first + $1 % 13 * 64 + $3))
}

# Starts a command again whenever it ends, at most RESTARTS (5) times in a row. A process that ran for STEADY (60)
# seconds begins to count anew. Exit code 2 means that it cannot work as configured, so it is not tried again.
# An orchestrator's exit code 0 is the end of its work; a server's is not.
keep() { # NAME COMMAND...
    local name="$1" failures=0 begun code
    shift
    trap '[[ -z "${kept:-}" ]] || kill -TERM "$kept" 2>/dev/null; stopping=1' TERM INT
    stopping=
    while true; do
        begun=$SECONDS
        # By default bash gives a process in the background no standard input.
        "$@" <&0 &
        kept=$!
        # A signal that came before the process was known has reached nothing yet.
        [[ -z "$stopping" ]] || kill -TERM "$kept"
        code=0
        wait "$kept" || code=$?
        # A signal interrupts `wait`: then the process has been told to end, and is waited for again.
        if [[ -n "$stopping" ]]; then
            wait "$kept" 2>/dev/null
            return 0
        fi
        if [[ "$code" == 0 && "$name" == orchestrator* ]]; then
            return 0
        elif [[ "$code" == 2 ]]; then
            echo "$name: exit code 2, its configuration cannot work" >&2
            return 2
        fi
        if ((SECONDS - begun >= ${STEADY:-60})); then failures=0; fi
        failures=$((failures + 1))
        if ((failures > ${RESTARTS:-5})); then
            echo "$name: exit code $code, and ${RESTARTS:-5} restarts in a row did not help" >&2
            return 1
        fi
        echo "$name: exit code $code; restart $failures of ${RESTARTS:-5}" >&2
        sleep "${PAUSE:-5}"
        [[ -z "$stopping" ]] || return 0
    done
}
