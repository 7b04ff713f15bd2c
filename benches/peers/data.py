#!/usr/bin/env python3
"""Writes the workloads' data, x and y in f32, into the folder that is named: as NPZ files, and plainly for burn's program.

Needs NumPy, and Debian's dataset-fashion-mnist.
"""

import gzip
import pathlib
import sys

import numpy as np

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")


def fashion():
    read = lambda name, skip: np.frombuffer(gzip.decompress((FASHION / name).read_bytes())[skip:], np.uint8)
    pixels = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 784) / np.float32(255)
    return pixels, read("train-labels-idx1-ubyte.gz", 8)


def random(rows, inputs):
    """Normal inputs, and a target that a network has something to learn from."""
    draw = np.random.default_rng(1)
    x = draw.standard_normal((rows, inputs), dtype=np.float32)
    return x, np.tanh(x[:, 0] * x[:, 1] + x @ draw.standard_normal(inputs) / inputs**0.5)


def two_classes():
    x, y = random(10_000, 30)
    return x, y > 0


def xor():
    return np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def values():
    return random(10_240, 256)


def main():
    folder = pathlib.Path(sys.argv[1])
    for make in (fashion, two_classes, xor, values):
        path = folder / f"{make.__name__}.npz"
        if not path.exists():
            x, y = (array.astype("<f4") for array in make())
            x.tofile(folder / f"{make.__name__}.x")
            y.tofile(folder / f"{make.__name__}.y")
            # Under its name once all is whole.
            part = folder / "part.npz"
            np.savez(part, x=x, y=y)
            part.rename(path)


main()
