"""Makes lbfgs.json: the loss and the place after each of 20 iterations of torch.optim.LBFGS with its strong Wolfe line search, in
float64, on three smooth functions; and the loss that scikit-learn's MLPClassifier(solver="lbfgs") comes to on digits from given
weights.
"""

import json
import pathlib
import warnings

import numpy as np
import sklearn
import torch
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

ITERATIONS = 20


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def matrix(rows, columns):
    values = [[((7 * row + 3 * column + row * column) % 11 - 5) / 4 for column in range(columns)] for row in range(rows)]
    return torch.tensor(values, dtype=torch.float64)


def log_cosh(x):
    error = matrix(9, len(x)) @ x - torch.arange(9, dtype=torch.float64) / 4
    return torch.log(torch.cosh(error)).sum() + 0.0625 * (x * x).sum()


def quartic(x):
    """So steep that the first step goes far beyond the lowest point."""
    return ((1 + torch.arange(len(x), dtype=torch.float64)) * x**4).sum() + 0.5 * (x.sum() - 1) ** 2


functions = []
for name, function, start in [
    ("rosenbrock", rosenbrock, [-1.25, 1.0, -0.5, 1.5, 0.75, -1.0]),
    ("log-cosh", log_cosh, [2.0, -1.0, 0.5, 3.0, 0.0]),
    ("quartic", quartic, [3.0, -2.0, 1.0, -4.0]),
]:
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([x], max_iter=1, max_eval=1_000_000, history_size=10, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = function(x)
        loss.backward()
        return loss

    losses, places = [], []
    for _ in range(ITERATIONS):
        optimizer.step(closure)
        losses.append(function(x).item())
        places.append(x.tolist())
    functions.append({"name": name, "start": start, "losses": losses, "places": places})

# Digits: 600 rows, 64-12-10, tanh; weights that follow from their position, as multiples of 1/128.
ROWS, SHAPES, ALPHA = 600, [(12, 64), (12,), (10, 12), (10,)], 1.0


def weights(shape, seed):
    count = int(np.prod(shape))
    return np.array([((i * 7919 + seed * 104_729 + i * i * 31) % 127 - 63) / 128 for i in range(count)]).reshape(shape)


data = load_digits()
inputs, targets = data.data[:ROWS] / 16, data.target[:ROWS]
warnings.simplefilter("ignore")
model = MLPClassifier((12,), activation="tanh", solver="lbfgs", alpha=ALPHA, max_iter=1, warm_start=True)
model.fit(inputs, targets)
w1, b1, w2, b2 = [weights(shape, seed) for seed, shape in enumerate(SHAPES)]
model.coefs_, model.intercepts_ = [w1.T.copy(), w2.T.copy()], [b1, b2]
model.set_params(max_iter=400, tol=1e-6, max_fun=1_000_000)
model.fit(inputs, targets)
digits = {"rows": ROWS, "decay": ALPHA / ROWS, "iterations": int(model.n_iter_), "loss": float(model.loss_)}

golden = {"torch": torch.__version__, "sklearn": sklearn.__version__, "functions": functions, "digits": digits}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")
