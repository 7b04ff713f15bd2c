"""Makes activations.json: each activation and its derivative by PyTorch, in float64, at numbers that float32 holds too."""

import json
import pathlib

import torch
from torch.nn import functional

FUNCTIONS = {
    "identity": lambda z: z,
    "relu": functional.relu,
    "sigmoid": functional.sigmoid,
    "tanh": functional.tanh,
    "leaky-relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "gelu-tanh": lambda z: functional.gelu(z, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    # functional.hardsigmoid has 1/6 in single precision whatever its input.
    "hard-sigmoid": lambda z: torch.clamp(z / 6 + 0.5, 0, 1),
}

points = [-100.0, -30.0, -12.5, -6.0, -3.5, -2.0, -1.0, -0.75, -0.3125, -0.0625, -0.0009765625]
points += [-point for point in reversed(points)]
golden = {"torch": torch.__version__, "points": points, "functions": {}}
for name, function in FUNCTIONS.items():
    z = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    a = function(z)
    (slope,) = torch.autograd.grad(a.sum(), z)
    golden["functions"][name] = {"values": a.tolist(), "slopes": slope.tolist()}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=1) + "\n")
