"""Makes initializers.json: moments of the weights that PyTorch's initialisers draw, [out, in] = [300, 400].

Of each: mean, variance and kurtosis, which is 3 for a normal and 1.8 for a uniform distribution. LeCun's is Kaiming's with a gain of 1.
"""

import json
import pathlib

import torch
from torch.nn import init

OUT, IN = 300, 400


def kaiming(kind, mode, nonlinearity):
    draw = init.kaiming_normal_ if kind == "normal" else init.kaiming_uniform_
    return lambda weight: draw(weight, mode=mode, nonlinearity=nonlinearity)


INITIALIZERS = {
    "zeros": init.zeros_,
    "normal": lambda weight: init.normal_(weight, std=0.05),
    "uniform": lambda weight: init.uniform_(weight, -0.05, 0.05),
    "lecun-normal": kaiming("normal", "fan_in", "linear"),
    "lecun-uniform": kaiming("uniform", "fan_in", "linear"),
    "xavier-normal": init.xavier_normal_,
    "xavier-uniform": init.xavier_uniform_,
    "he-normal": kaiming("normal", "fan_in", "relu"),
    "he-uniform": kaiming("uniform", "fan_in", "relu"),
    "he-normal-fan-out": kaiming("normal", "fan_out", "relu"),
    "he-uniform-fan-out": kaiming("uniform", "fan_out", "relu"),
    "orthogonal": init.orthogonal_,
}

torch.manual_seed(1)
cases = []
for name, draw in INITIALIZERS.items():
    weight = torch.empty(OUT, IN)
    draw(weight)
    weight = weight.double()
    away = weight - weight.mean()
    variance = away.square().mean()
    cases.append(
        {
            "initializer": name,
            "mean": weight.mean().item(),
            "variance": variance.item(),
            "kurtosis": (away**4).mean().div(variance**2).item() if variance > 0 else None,
        }
    )
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"torch": torch.__version__, "out": OUT, "in": IN, "cases": cases}, indent=1) + "\n")
