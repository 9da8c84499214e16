"""Kill a table of two small detectors repeatedly at random moments, and check that nothing is lost.

    python -m tests.distributed.random_kills [--kills 30] [--seed 0]

One and two processes alternate. After each kill the same command is started again. After some kills the table may finish; its
losses and numbers must be the same as without kills. Prints a line for each kill and a last one, 'ok' or what was wrong; the
exit code is 0 or 1.
"""
import argparse
import collections
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.distributed import case

KILLS_OF_A_TABLE = 5
PATIENCE = 120  # seconds to end in after a kill, far more than it takes


def moment(chance, root):
    """(name of the phase, condition that is true at the moment to kill)."""
    phase = chance.choice(("training", "evaluation", "table"))
    if phase == "training":
        later = chance.randrange(1, 4)
        begun = case.phase(root)[:2]
        return phase, lambda: case.phase(root)[:2] >= (begun[0], begun[1] + later) and not case.phase(root)[2]
    if phase == "evaluation":
        return phase, lambda: case.phase(root)[2]
    end = time.time() + chance.uniform(0, 8)
    return phase, lambda: time.time() > end


def kill_once(command, root, chance) -> tuple:
    """Start the command and kill one process at a random moment; (phase, what was done, what was wrong or '')."""
    name, condition = moment(chance, root)
    process = case.start(command)
    if not case.wait_for(process, condition, PATIENCE):
        code, _, err = case.finish(process, PATIENCE)
        return name, None, "" if code == 0 else f"ended with {code} and nobody killed it:\n{err[-2000:]}"
    working, targets = case.members(process), case.ranks(process)
    rank, number = chance.randrange(len(targets)), chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
    before = case.phase(root)
    case.send(targets[rank], number)
    code, _, err = case.finish(process, PATIENCE)
    done = f"{signal.Signals(number).name} to process {rank} of {len(targets)}, row {before[0] + 1}, iteration {before[1]}"
    if code is None:
        return name, done, f"it did not end within {PATIENCE} s:\n{err[-2000:]}"
    end = time.time() + 10
    while case.alive(working) and time.time() < end:
        time.sleep(0.1)
    left = case.alive(working)
    return name, f"{done}: exit code {code}", f"processes {left} are left" if left else ""


def differs(root, expected, exactly) -> str:
    """What differs between a table and the undisturbed one, or ''."""
    tolerance = 0.0 if exactly else 1e-4
    for row, (losses, measured) in case.results(root).items():
        wanted_losses, wanted = expected[row]
        off = [abs(a - b) for a, b in zip(losses, wanted_losses)]
        if len(losses) != len(wanted_losses) or any(o > tolerance * abs(w) for o, w in zip(off, wanted_losses)):
            return f"{row}: {len(losses)} losses, off by {max(off)}"
        if measured != wanted:
            return f"{row}: {measured}, undisturbed {wanted}"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance, count, tables = random.Random(arguments.seed), collections.Counter(), 0
    launchers = [(), case.mpirun()] if case.mpirun() else [()]
    with tempfile.TemporaryDirectory() as folder:
        settings = case.overrides(Path(folder) / "data")
        code, printed, err = case.finish(case.start(case.table(os.path.join(folder, "undisturbed"), settings)), 900)
        if code != 0:
            print(f"the undisturbed table ended with {code}:\n{err}")
            return 1
        expected = case.results(os.path.join(folder, "undisturbed"))
        while sum(count.values()) < arguments.kills:
            launcher = launchers[tables % len(launchers)]
            root = os.path.join(folder, f"table{tables}")
            command, kills = case.table(root, settings, launcher), 0
            while kills < KILLS_OF_A_TABLE and sum(count.values()) < arguments.kills:
                phase, done, wrong = kill_once(command, root, chance)
                if wrong:
                    print(f"{phase}: {done}: {wrong}")
                    return 1
                if done is None:  # the table was finished first
                    break
                kills += 1
                count[phase] += 1
                print(f"{sum(count.values())}. {phase}: {done}", flush=True)
            code, out, err = case.finish(case.start(command), 300)
            wrong = f"ended with {code}:\n{err[-2000:]}" if code != 0 else differs(root, expected, exactly=not launcher)
            if wrong or out != printed:
                print(f"table {tables}: {wrong or out}")
                return 1
            tables += 1
            processes = 2 if launcher else 1
            print(f"table {tables}, {processes} processes, {kills} kills: equal to the undisturbed one", flush=True)
    phases = ", ".join(f"{n} in {phase}" for phase, n in count.items())
    print(f"ok: {sum(count.values())} kills ({phases}), {tables} tables, nothing lost, nothing hung")
    return 0


if __name__ == "__main__":
    sys.exit(main())
