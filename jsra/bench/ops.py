"""`jsra bench ops`: forward, backward and memory of operators, and the ratios to peer programs on the same inputs."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import Counter

import jittor as jt
import numpy as np

from jsra.bench import peer as peer_script
from jsra.bench.entries import all_entries
from jsra.registry import ConfigError
from jsra.runtime.prepare import user_environment

SWEEP = (250, 500, 1000, 2000, 4000)


class Peer:
    """The programs of another process, reached through a pipe. script: arguments of `python` that start the process."""

    def __init__(self, python, threads, script=(peer_script.__file__,), known="torchvision nor onnxruntime"):
        environment = dict(user_environment(), OMP_NUM_THREADS=str(threads))
        try:
            self.process = subprocess.Popen(
                [python, *script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
        except OSError as error:
            raise ConfigError(f"--peer {python}: cannot be run ({error})") from None
        self.programs = self._read(python)["programs"]
        if not self.programs:
            raise ConfigError(f"--peer {python}: has neither {known}")

    def _read(self, what):
        line = self.process.stdout.readline()
        if not line:
            raise ConfigError(f"the peer process ended without a result for {what}; its own message is above")
        return json.loads(line)

    def ask(self, program, **command):
        with contextlib.suppress(BrokenPipeError):  # a process that has ended: _read says so
            self.process.stdin.write(json.dumps(dict(command, program=program)) + "\n")
            self.process.stdin.flush()
        return self._read(command)

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


def programs_of(peers) -> list:
    """[(peer, program, name for the table)]; a program that several peers have gets a number: torchvision 0.27 (2)."""
    found, counts = [], Counter()
    for peer in peers:
        for program in peer.programs:
            counts[program] += 1
            found.append((peer, program, program if counts[program] == 1 else f"{program} ({counts[program]})"))
    return found


@contextlib.contextmanager
def recorded():
    """Context manager: yields a list of the jt.Functions applied inside it, so that a gradient can be called alone."""
    made, original = [], jt.Function.__call__

    def call(self, *args):
        made.append(self)
        return original(self, *args)

    jt.Function.__call__ = call
    try:
        yield made
    finally:
        jt.Function.__call__ = original


class Ours:
    """An entry, run by Jittor."""

    name = "jsra"

    def __init__(self, entry, arrays):
        self.entry, self.variables = entry, [jt.array(a) for a in arrays]
        jt.sync(self.variables)
        self.dout = None

    def directions(self):
        return ["forward", "backward"] if self.entry.gradient else ["forward"]

    def run(self, direction, cold=False):
        """One run: seconds, and the growth of the peak resident memory in MB (valid only with an empty pool, `cold`)."""
        if direction == "backward":
            with recorded() as functions:
                self._forward()
            if len(functions) != 1:
                raise RuntimeError(f"{self.entry.name}: {len(functions)} Functions were applied; only one can be timed")
            if self.dout is None:
                self.dout = jt.ones(self.out.shape, dtype=self.out.dtype)
                self.dout.sync()
        if cold:
            jt.gc()
        peer_script.reset_peak()
        before = peer_script.megabytes("VmRSS")
        jt.sync_all(True)
        start = time.perf_counter()
        if direction == "forward":
            with jt.no_grad():
                self._forward()
        else:
            unused = [None] * (len(functions[0].output_mask) - 1)  # gradients of the outputs after the first
            grads = functions[0].grad(self.dout, *unused)
            jt.sync([g for g in (grads if isinstance(grads, (list, tuple)) else [grads]) if g is not None])
        if jt.flags.use_cuda:
            jt.sync_all(True)
        return time.perf_counter() - start, peer_script.megabytes("VmHWM") - before

    def _forward(self):
        out = self.entry.call(*self.variables, **self.entry.settings)
        self.out = out[0] if isinstance(out, (list, tuple)) else out
        self.out.sync()


class Theirs:
    """An entry, run by a program of a peer. name: in the table."""

    def __init__(self, peer, program, name):
        self.peer, self.program, self.name = peer, program, name

    def load(self, entry, file):
        reply = self.peer.ask(self.program, load=file, call=entry.peer, settings=entry.peer_settings)
        self._directions = reply.get("directions", [])
        return "error" not in reply

    def directions(self):
        return self._directions

    def run(self, direction, cold=False):
        reply = self.peer.ask(self.program, run=direction)
        if "error" in reply:
            raise RuntimeError(f"{self.name}: {reply['error']}")
        return reply["seconds"], reply["megabytes"]

    def result(self, folder):
        path = os.path.join(folder, "out.npy")
        self.peer.ask(self.program, save=path)
        return np.load(path)


def measure(entry, peers, count, repeat, folder, seed=0):
    """One result per direction: {entry, direction, count, times: {program: [s]}, megabytes: {program: MB}, differs: {}}."""
    arrays = entry.inputs(np.random.default_rng(seed), count)
    ours, theirs = Ours(entry, arrays), []
    if entry.peer and peers:
        file = os.path.join(folder, "inputs.npz")
        np.savez(file, **{f"in{i}": a for i, a in enumerate(arrays)})
        theirs = [t for t in (Theirs(*one) for one in programs_of(peers)) if t.load(entry, file)]
    results = []
    for direction in ours.directions():
        runners = [ours] + [t for t in theirs if direction in t.directions()]
        # The first run compiles and warms up; memory is measured in it, because nothing is cached yet.
        megabytes = {r.name: r.run(direction, cold=True)[1] for r in runners}
        times = {r.name: [] for r in runners}
        for _ in range(repeat):
            for runner in runners:
                times[runner.name].append(runner.run(direction)[0])
        result = dict(entry=entry.name, direction=direction, count=count, times=times, megabytes=megabytes)
        if direction == "forward" and entry.compare:
            out = ours.out.numpy()
            result["differs"] = {t.name: float(np.abs(out - t.result(folder)).max()) for t in runners[1:]}
        results.append(result)
    return results


def line(result):
    """A row of the table: median and minimum in milliseconds, and the ratios of the peers' medians to ours."""
    ours = result["times"]["jsra"]
    median = statistics.median(ours)
    cells = [result["entry"], result["direction"], str(result["count"])]
    cells += [f"{1e3 * median:.2f} ({1e3 * min(ours):.2f})", f"{result['megabytes']['jsra']:.0f}"]
    for name, times in result["times"].items():
        if name == "jsra":
            continue
        theirs = statistics.median(times)
        text = f"{name} {1e3 * theirs:.1f} ({1e3 * min(times):.1f}) ms, {result['megabytes'][name]:.0f} MB"
        text += f", x {theirs / median:.1f}"
        if name in result.get("differs", {}):
            text += f", outputs differ by {result['differs'][name]:.1e}"
        cells.append(text)
    return "| " + " | ".join(cells) + " |"


def machine() -> dict:
    """The machine and the versions with which the numbers were measured."""
    with open("/proc/cpuinfo", encoding="utf8") as file:
        names = [text.split(":", 1)[1].strip() for text in file if text.startswith("model name")]
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count())
    return dict(cpu=names[0] if names else "unknown", threads=threads, date=time.strftime("%Y-%m-%d"))


def bench(python_peers=(), only=(), count=1000, repeat=7, sweep=True, seed=0, device="cpu", report=print) -> list:
    """Measure all entries (or those whose name contains one of `only`) and report each line; returns the results as dicts.

    device: 'cpu' or 'cuda', for jsra and torchvision. Memory is that of the process, not of the GPU.
    """
    if device == "cuda" and not jt.has_cuda:
        raise ConfigError("--device cuda: Jittor finds no GPU here; `jsra doctor` says why")
    os.environ["JSRA_BENCH_DEVICE"] = device
    jt.flags.use_cuda = int(device == "cuda")
    threads = machine()["threads"]
    chosen = [e for e in all_entries() if not only or any(o in e.name for o in only)]
    if not chosen:
        raise ConfigError(
            f"--only: no entry contains {' or '.join(only)}; there are {', '.join(e.name for e in all_entries())}"
        )
    peers = [Peer(p, threads) for p in python_peers]
    results = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            report(
                f"{device}, {threads} threads; milliseconds: median (minimum) of {repeat} alternating runs; "
                "MB: growth of the peak"
            )
            report("| operator | direction | RoIs | jsra ms | MB | peers |")
            report("| --- | --- | --- | --- | --- | --- |")
            for entry in chosen:
                for result in measure(entry, peers, entry.count or count, repeat, folder, seed):
                    results.append(result)
                    report(line(result))
            for entry in [e for e in chosen if e.sweep and sweep]:
                for size in SWEEP:
                    for result in measure(entry, [], size, max(3, repeat // 2), folder, seed):
                        results.append(dict(result, sweep=True))
                        report(line(result))
    finally:
        for peer in peers:
            peer.close()
    return results
