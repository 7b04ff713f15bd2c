"""The classic teaching example in NumPy: XOR by full-batch gradient descent, three ways. Writes xor.json beside itself.

Initial weights are 2*rand - 0.5 from RandomState(1), in the order W1, b1, W2, b2; the learning rate is 0.01.
"""

import json
import pathlib

import numpy as np

ITERATIONS = 30_000
EVERY = 1_000
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
Y = np.array([[0], [1], [1], [0]], dtype=float)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def run(hidden, loss):
    random = np.random.RandomState(1)
    draw = lambda *shape: 2 * random.rand(*shape) - 0.5
    w1, b1, w2, b2 = draw(2, 2), draw(1, 2), draw(2, 1), draw(1, 1)
    initial = {"layers.0.weight": w1.T, "layers.0.bias": b1, "layers.1.weight": w2.T, "layers.1.bias": b2}
    initial = {name: value.flatten().tolist() for name, value in initial.items()}
    losses = []
    for iteration in range(ITERATIONS):
        z1 = X @ w1 + b1
        h = sigmoid(z1) if hidden == "sigmoid" else np.tanh(z1)
        a = sigmoid(h @ w2 + b2)
        if loss == "binary-cross-entropy":
            value = -np.sum(Y * np.log(a) + (1 - Y) * np.log(1 - a))
            dz2 = a - Y
        else:
            value = np.sum((Y - a) ** 2) / (2 * len(X))
            dz2 = (a - Y) / len(X) * a * (1 - a)
        if iteration % EVERY == 0:
            losses.append(value)
        dz1 = dz2 @ w2.T * (h * (1 - h) if hidden == "sigmoid" else 1 - h**2)
        w2 -= 0.01 * h.T @ dz2
        b2 -= 0.01 * dz2.sum(axis=0, keepdims=True)
        w1 -= 0.01 * X.T @ dz1
        b1 -= 0.01 * dz1.sum(axis=0, keepdims=True)
    h = X @ w1 + b1
    h = sigmoid(h) if hidden == "sigmoid" else np.tanh(h)
    outputs = sigmoid(h @ w2 + b2).flatten()
    print(hidden, loss, np.round(outputs, 3))
    return {"hidden": hidden, "loss": loss, "initial": initial, "losses": losses, "outputs": outputs.tolist()}


CASES = [("sigmoid", "binary-cross-entropy"), ("sigmoid", "mse"), ("tanh", "binary-cross-entropy")]
figures = {"every": EVERY, "iterations": ITERATIONS, "cases": [run(*case) for case in CASES]}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
