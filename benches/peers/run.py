#!/usr/bin/env python3
"""Training steps of gpu-mlp beside scikit-learn's, PyTorch's and burn's: the same five workloads, in turns.

Makes what it needs in target/peers/ (a virtual environment, the data, burn's program), and prints the README's table:
medians over rounds, and of each round's ratio to the fastest peer. README.md in this folder says what is measured.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import venv
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target/peers"
PYTHON = WORK / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PACKAGES = ["numpy", "scikit-learn", "torch"]
# Seconds after which a measurement is given up: kernels that are compiled and chosen on a slow adapter take minutes.
PATIENCE = 1800


class Workload(NamedTuple):
    data: str
    widths: str
    batch: int
    loss: str
    hidden: str = "relu"
    output: str = "identity"


WORKLOADS = {
    "W1": Workload("fashion", "784,128,10", 128, "cross-entropy"),
    "W2": Workload("fashion", "784,512,512,10", 256, "cross-entropy"),
    "W3": Workload("two_classes", "30,64,64,1", 32, "binary-cross-entropy"),
    "W4": Workload("xor", "2,8,1", 4, "mse", "tanh", "sigmoid"),
    "W5": Workload("values", "256,2048,2048,1", 1024, "mse"),
}
THREADS = sorted({1, os.cpu_count() or 1})
OURS = ["gpu-mlp cpu", "gpu-mlp gpu"]
ON_CPU = [*(f"pytorch:{threads}" for threads in THREADS), "scikit-learn", "burn-flex", "burn-ndarray"]
CUDA = "pytorch:cuda"
ON_GPU = ["burn-wgpu", CUDA]


def target(name, folder):
    """A program that cargo has built."""
    return folder / "release" / (name + (".exe" if os.name == "nt" else ""))


BINARY = target("gpu-mlp", ROOT / "target")
BURN = target("burn-peer", WORK / "burn")


def build(names):
    """What the measurements need, as far as it is not there yet."""
    WORK.mkdir(parents=True, exist_ok=True)
    run = lambda *words: subprocess.run([str(word) for word in words], check=True, stdout=sys.stderr)
    if not PYTHON.exists():
        venv.create(WORK / "venv", with_pip=True)
    run(PYTHON, "-m", "pip", "install", "--quiet", *PACKAGES)
    run(PYTHON, HERE / "data.py", WORK)
    cargo = lambda *words: run("cargo", "build", "--release", "--locked", *words)
    cargo("--manifest-path", ROOT / "Cargo.toml", "--target-dir", ROOT / "target")
    if any(name.startswith("burn") for name in names):
        cargo("--manifest-path", HERE / "burn/Cargo.toml", "--target-dir", WORK / "burn")


def has_cuda():
    """Whether PyTorch sees a card here."""
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([PYTHON, "-c", code], check=False).returncode == 0


def told(*words):
    """The JSON that a program prints, or None where it fails."""
    words = [str(word) for word in words]
    try:
        ended = subprocess.run(words, cwd=WORK, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        print(f"{words[0]} took longer than {PATIENCE} s", file=sys.stderr)
        return None
    if ended.returncode != 0:
        print(ended.stderr.strip(), file=sys.stderr)
        return None
    return json.loads(ended.stdout)


def gpu_mlp(work, device, steps, seconds):
    """Runs of the binary, with more steps each time until they take long enough; `steps` keeps their number."""
    words = [BINARY, "train", f"{work.data}.npz", "--device", device, "--json", "--out", "model.safetensors"]
    words += ["--task", "regression" if work.loss == "mse" else "classification", "--loss", work.loss]
    words += ["--hidden", ",".join(work.widths.split(",")[1:-1]), "--activation", work.hidden]
    if work.output != "identity":
        words += ["--output-activation", work.output]
    words += ["--optimizer", "adam", "--batch-size", work.batch, "--preprocess", "none", "--test", 0, "--validation", 0]
    words += ["--epochs", 100_000_000, "--max-steps"]
    while True:
        number = steps.setdefault((work, device), 2)
        found = told(*words, number)
        # A tenth less will do: the number of steps has been chosen by a run that may have been a little slower.
        if found is None or found["seconds"] >= 0.9 * seconds:
            return found
        steps[work, device] = int(number * min(max(1.2 * seconds / found["seconds"], 2), 100))


def measure(name, work, steps, seconds):
    kind, _, rest = name.partition(" " if name in OURS else "-")
    if name in OURS:
        return gpu_mlp(work, rest, steps, seconds)
    program = [BURN, rest] if kind == "burn" else [PYTHON, HERE / "python_peers.py", name]
    return told(*program, *work, seconds)


def rounds(works, names, count, seconds):
    """Samples a second by workload and competitor, a number a round, and what each said of itself."""
    rates, steps, notes = {}, {}, {}
    for number in range(1, count + 1):
        for title, work in works.items():
            for name in names:
                found = measure(name, work, steps, seconds)
                rates.setdefault((title, name), []).append(found and found["samples_per_second"])
                if found:
                    notes[name] = found
                    loss = found["loss"] if "loss" in found else found["train"]["loss"]
                    line = f"{found['samples_per_second']:,.0f} samples/s in {found['seconds']:.2f} s, loss {loss:.4f}"
                else:
                    line = "failed"
                print(f"round {number} of {count}, {title}, {name}: {line}", file=sys.stderr, flush=True)
    return rates, notes


def rounded(rate):
    """Three digits that count."""
    return f"{float(f'{rate:.3g}'):,.0f}"


def middle(found):
    return statistics.median(found) if found and None not in found else None


def ratio(ours, peer):
    if middle(ours) is None or middle(peer) is None:
        return "–"
    return f"{statistics.median(mine / theirs for mine, theirs in zip(ours, peer)):.2f} ×"


def table(works, names, rates):
    """A row a workload; PyTorch's column has the better number of threads."""
    has = lambda *wanted: [name for name in wanted if name in names]
    peers = has(*ON_CPU)
    columns = {"PyTorch (threads)": [name for name in peers if name.startswith("pytorch")]}
    columns |= {name: [name] for name in peers if not name.startswith("pytorch")}
    columns = {title: members for title, members in columns.items() if members}
    on_gpu = has(*ON_GPU)
    titles = [name.replace(CUDA, "PyTorch (CUDA)") for name in on_gpu]
    header = ["workload", "gpu-mlp, CPU", *columns, "ratio to the fastest", "gpu-mlp, GPU", *titles, "ratio to the fastest"]
    print("|", " | ".join(header), "|")
    print("|", " | ".join(["---", *["---:"] * (len(header) - 1)]), "|")
    for title, work in works.items():
        of = lambda name: rates.get((title, name))
        medians = {name: middle(of(name)) for name in names}
        best = lambda members: max(members, key=lambda name: medians[name] or 0, default=None)
        told = lambda name: rounded(medians[name]) if medians.get(name) else "–"
        cells = [f"{title} {work.widths.replace(',', '-')}, batch {work.batch}", told(OURS[0])]
        for members in columns.values():
            name = best(members)
            threads = name.partition(":")[2]
            cells.append(told(name) + (f" ({threads})" if threads and medians[name] else ""))
        cells += [ratio(of(OURS[0]), of(best(peers))), told(OURS[1]), *map(told, on_gpu)]
        cells.append(ratio(of(OURS[1]), of(best(on_gpu))))
        print("|", " | ".join(cells), "|")


def versions(notes):
    """A line on what has been measured, and where."""
    cpu = pathlib.Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", cpu.read_text() if cpu.exists() else "")
    found = [model.group(1)] if model else []
    found += [notes[name]["device"] for name in OURS if name in notes]
    for kind, title in {"pytorch": "PyTorch", "scikit-learn": "scikit-learn"}.items():
        found += [f"{title} {note['version']}" for name, note in notes.items() if name.startswith(kind)][:1]
    if any(name.startswith("burn") for name in notes):
        lock = (HERE / "burn/Cargo.lock").read_text()
        found.append("burn " + re.search(r'name = "burn"\nversion = "(.*)"', lock).group(1))
    return "; ".join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: text.split(",")
    parser.add_argument("--only", type=names, default=list(WORKLOADS), help="workloads, as W1,W3 [all]")
    parser.add_argument("--skip", type=names, default=[], help="who is left out, by how the name begins, as burn,pytorch:1")
    parser.add_argument("--rounds", type=int, default=3, help="rounds [%(default)s]")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement, at least [%(default)s]")
    options = parser.parse_args()
    unknown = [name for name in options.only if name not in WORKLOADS]
    if unknown:
        parser.error(f"there is no workload {unknown[0]}, only {', '.join(WORKLOADS)}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    works = {title: work for title, work in WORKLOADS.items() if title in options.only}
    everyone = [OURS[0], *ON_CPU, OURS[1], *ON_GPU]
    taking_part = [name for name in everyone if not name.startswith(tuple(options.skip))]
    build(taking_part)
    if CUDA in taking_part and not has_cuda():
        taking_part.remove(CUDA)
    rates, notes = rounds(works, taking_part, options.rounds, options.seconds)
    table(works, taking_part, rates)
    print("\n" + versions(notes))


main()
