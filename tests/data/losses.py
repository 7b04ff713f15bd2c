"""Makes losses.json: each loss of some rows and its gradient by PyTorch, in float64, of numbers that float32 holds too."""

import json
import pathlib

import torch
from torch.nn import functional

LOGITS = [
    [0.5, -1.25, 2.0, 0.0625],
    [-3.0, 0.75, 0.75, -0.5],
    [30.0, -30.0, 1.5, 0.25],
    [-0.125, 0.375, -0.625, 1.0],
    [4.0, 3.5, -2.0, -12.0],
]
CLASSES = [2, 0, 1, 3, 0]
VALUES = [
    [0.25, -1.5, 0.5, 0.0],
    [1.0, 0.75, -2.25, 3.0],
    [28.0, -31.0, 1.4375, 0.5],
    [0.0, 0.5, -0.5, 1.0],
    [6.0, 0.0, 2.0, -12.5],
]


def focal(z, t, gamma):
    log_p = functional.log_softmax(z, 1).gather(1, t[:, None])[:, 0]
    return (-((1 - log_p.exp()) ** gamma) * log_p).sum()


def log_cosh(z, t):
    error = (z - t).abs()
    return (error + functional.softplus(-2 * error, threshold=1e9) - torch.log(torch.tensor(2.0, dtype=z.dtype))).sum()


OF_CLASSES = {
    "cross-entropy": ({"cross-entropy": {"smoothing": 0.0}}, lambda z, t: functional.cross_entropy(z, t, reduction="sum")),
    "cross-entropy 0.125": (
        {"cross-entropy": {"smoothing": 0.125}},
        lambda z, t: functional.cross_entropy(z, t, reduction="sum", label_smoothing=0.125),
    ),
    "focal 0": ({"focal": {"gamma": 0.0}}, lambda z, t: focal(z, t, 0.0)),
    "focal 1.5": ({"focal": {"gamma": 1.5}}, lambda z, t: focal(z, t, 1.5)),
    "hinge": ("hinge", lambda z, t: functional.multi_margin_loss(z, t, reduction="sum")),
}
OF_VALUES = {
    "mse": ("mse", lambda z, t: functional.mse_loss(z, t, reduction="sum")),
    "mae": ("mae", lambda z, t: functional.l1_loss(z, t, reduction="sum")),
    "huber 0.75": ({"huber": {"delta": 0.75}}, lambda z, t: functional.huber_loss(z, t, reduction="sum", delta=0.75)),
    "log-cosh": ("log-cosh", log_cosh),
    "poisson": ("poisson", lambda z, t: functional.poisson_nll_loss(z, t, reduction="sum")),
}

LEVELS = [0.125, 0.5]


def pinball(z, t):
    error = t.repeat_interleave(len(LEVELS), 1) - z
    q = torch.tensor(LEVELS, dtype=z.dtype).repeat(t.shape[1])
    return torch.maximum(q * error, (q - 1) * error).sum()


def gaussian(z, t):
    return functional.gaussian_nll_loss(z[:, 0::2], t, z[:, 1::2].exp(), reduction="sum")


# Two outputs for each value.
PAIRS = {
    "quantile": ({"quantile": {"levels": LEVELS}}, pinball),
    "gaussian": ("gaussian", gaussian),
}

BITS = [[float(value > 0.3) for value in row] for row in VALUES]
COUNTS = [[float(abs(round(value)) % 5) for value in row] for row in VALUES]
# e^30 would leave nothing of the other figures in single precision.
SMALL = [[min(value, 4.0) for value in row] for row in LOGITS]

cases = []


def add(function, loss, logits, targets, dtype, **more):
    z = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    t = torch.tensor(targets, dtype=dtype)
    losses = [loss(z[row : row + 1], t[row : row + 1]) for row in range(len(logits))]
    (gradient,) = torch.autograd.grad(sum(losses), z)
    cases.append(
        {
            "function": function,
            "logits": logits,
            "targets": [[value] if isinstance(value, int) else value for value in targets],
            "losses": [loss.item() for loss in losses],
            "gradient": gradient.tolist(),
            **more,
        }
    )


for function, loss in OF_CLASSES.values():
    add(function, loss, LOGITS, CLASSES, torch.int64)
bits = lambda z, t: functional.binary_cross_entropy_with_logits(z, t, reduction="sum")
add("binary-cross-entropy", bits, LOGITS, BITS, torch.float64)
POSITIVE = [3.0, 0.25, 1.0, 0.0]
weight = torch.tensor(POSITIVE, dtype=torch.float64)
positive = lambda z, t: functional.binary_cross_entropy_with_logits(z, t, reduction="sum", pos_weight=weight)
add("binary-cross-entropy", positive, LOGITS, BITS, torch.float64, pos_weight=POSITIVE)
for name, (function, loss) in OF_VALUES.items():
    poisson = name == "poisson"
    add(function, loss, SMALL if poisson else LOGITS, COUNTS if poisson else VALUES, torch.float64)
for function, loss in PAIRS.values():
    # A variance below 1e-6, a large one, an error of nothing.
    add(function, loss, [[0.25, -14.0, 1.0, -15.5], *SMALL], [[0.2509765625, 1.0], *[row[:2] for row in VALUES]], torch.float64)
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"torch": torch.__version__, "cases": cases}, indent=1) + "\n")
