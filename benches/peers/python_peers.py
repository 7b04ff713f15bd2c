#!/usr/bin/env python3
"""One workload on scikit-learn or on PyTorch, as a user would write it: prints one line of JSON.

python_peers.py scikit-learn|pytorch:THREADS|pytorch:cuda DATA WIDTHS BATCH LOSS HIDDEN OUTPUT SECONDS
"""

import json
import math
import sys
import time
import warnings

import numpy as np


def scikit_learn(x, y, widths, batch, loss, hidden, seconds):
    """MLPClassifier or MLPRegressor; the latter has half the squared error, and no function behind the last layer."""
    import sklearn
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    warnings.simplefilter("ignore", ConvergenceWarning)
    kind = MLPRegressor if loss == "mse" else MLPClassifier

    def fit(rows, passes):
        model = kind(
            hidden_layer_sizes=widths[1:-1],
            activation=hidden,
            batch_size=batch,
            alpha=0,
            max_iter=passes,
            tol=0,
            n_iter_no_change=passes + 1,
        )
        start = time.perf_counter()
        model.fit(x[:rows], y[:rows])
        return time.perf_counter() - start, model.loss_

    samples = 4 * batch
    fit(min(samples, len(x)), 1)
    while True:
        # A part of the rows where an epoch of all takes longer than is wanted.
        rows = min(samples, len(x))
        passes = math.ceil(samples / rows)
        elapsed, last = fit(rows, passes)
        if elapsed >= seconds:
            return sklearn.__version__, rows * passes, elapsed, last
        samples = int(rows * passes * min(max(1.2 * seconds / elapsed, 2), 100))


def pytorch(x, y, widths, batch, loss, hidden, output, seconds, place):
    """The plainest loop: rows picked from tensors in memory (with `cuda`, the card's), Adam as it comes."""
    import torch
    from torch import nn

    on_card = place == "cuda"
    if not on_card:
        torch.set_num_threads(int(place))
    torch.set_default_device("cuda" if on_card else "cpu")
    hidden = {"relu": nn.ReLU, "tanh": nn.Tanh}[hidden]
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), hidden()]
    layers[-1:] = [nn.Sigmoid()] if output == "sigmoid" else []
    model = nn.Sequential(*layers)
    losses = {"cross-entropy": nn.CrossEntropyLoss, "binary-cross-entropy": nn.BCEWithLogitsLoss, "mse": nn.MSELoss}
    criterion = losses[loss]()
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.tensor(x), torch.tensor(y)
    y = y.long() if loss == "cross-entropy" else y[:, None]

    def step(rows):
        optimizer.zero_grad()
        error = criterion(model(x[rows]), y[rows])
        error.backward()
        optimizer.step()
        return error

    def batches():
        while True:
            yield from torch.randperm(len(x)).split(batch)

    # The first batch and the last of an epoch, which may be smaller.
    for rows in (batch, len(x) % batch or batch):
        step(torch.arange(rows))
    # A card goes on while the next steps are handed to it; the time that counts is that behind the last one.
    wait = torch.cuda.synchronize if on_card else lambda: None
    wait()
    samples, start = 0, time.perf_counter()
    for rows in batches():
        error = step(rows)
        samples += len(rows)
        if time.perf_counter() - start >= seconds:
            wait()
            return torch.__version__, samples, time.perf_counter() - start, error.item()


def main():
    peer, name, widths, batch, loss, hidden, output, seconds = sys.argv[1:]
    data = np.load(f"{name}.npz")
    work = [data["x"], data["y"], [int(width) for width in widths.split(",")], int(batch), loss, hidden]
    if peer == "scikit-learn":
        found = scikit_learn(*work, float(seconds))
    else:
        found = pytorch(*work, output, float(seconds), peer.removeprefix("pytorch:"))
    version, samples, elapsed, last = found
    print(json.dumps({"samples_per_second": samples / elapsed, "seconds": elapsed, "loss": last, "version": version}))


main()
