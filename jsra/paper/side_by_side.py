"""Several trainings of a table at the same time, each in a separate process: `jsra table N --jobs K`.

On a CPU, K trainings with one thread each finish sooner than K trainings one after the other with K threads: many of Jittor's
operators use only one thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from jsra.engine.interrupt import Interrupted, Interruptions
from jsra.engine.provenance import command, started_by
from jsra.paper.run import Run

LOG = "train.txt"  # file for the output of a training, in its work_dir


class TrainingFailed(RuntimeError):
    """A training in a separate process ended with an error; the message has the end of its output."""


def complete(runs, jobs: int, overrides=(), say=print):
    """Train and evaluate the runs ([(name, jsra.paper.run.Run)], made with these overrides), `jobs` at a time.

    Each process gets an equal share of the cores, unless OMP_NUM_THREADS is set. A signal is passed on to the trainings,
    which save and stop; then Interrupted is raised. If a training fails, no new one is started, the running ones are
    finished, and TrainingFailed is raised.
    """
    waiting, running, failed = list(runs), {}, []
    environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // jobs)), **os.environ}
    with Interruptions() as signals:
        while waiting or running:
            if signals.received or failed:
                waiting.clear()
            while waiting and len(running) < jobs:
                name, run = waiting.pop(0)
                process = _start(run, overrides, environment)
                running[process] = f"{name}, seed {run.seed}", os.path.join(run.work_dir, LOG)
                say(f"{running[process][0]}: training, see {running[process][1]}")
            stopped = signals.received
            time.sleep(0.2)
            if signals.received and not stopped:
                for process in running:
                    process.terminate()
            for process in [p for p in running if p.poll() is not None]:
                title, log = running.pop(process)
                if process.returncode == 0:
                    say(f"{title}: trained")
                elif not signals.received:
                    failed.append(f"{title}: exit code {process.returncode}, see {log}:\n{_end_of(log)}")
    if signals.received:
        raise Interrupted(signals.received, "the trainings under way")
    if failed:
        raise TrainingFailed("\n".join(failed))


def _start(run, overrides, environment):
    os.makedirs(run.work_dir, exist_ok=True)
    words = [sys.executable, "-m", "jsra.paper.side_by_side", command(), run.path, str(run.seed), run.root, *overrides]
    with open(os.path.join(run.work_dir, LOG), "a", encoding="utf8") as log:
        # A new session: otherwise Ctrl-C would reach the training twice, and the second signal ends it without saving.
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )


def _end_of(log, lines=5):
    with open(log, encoding="utf8", errors="replace") as f:  # other programs may write there, in the locale's encoding
        return "".join(f.readlines()[-lines:])


def main(typed, path, seed, root, *overrides) -> int:
    """Complete one run; `typed`: the command of the user, which its result names."""
    started_by(typed)
    try:
        Run(path, int(seed), root, overrides).complete()
    except Interrupted as stop:
        print(stop)
        return stop.code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
