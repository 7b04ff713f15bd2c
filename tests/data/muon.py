"""Makes muon.json: a network's parameters after each of 20 steps of torch.optim.Muon for the hidden matrices and of AdamW for all
else, in float64.

PyTorch rounds to bfloat16 inside the orthogonalisation, which is for speed on its hardware: here the same formula is written out
without.
"""

import json
import pathlib

import torch
import torch.optim._muon

STEPS = 20
RATE = 0.0625
# A matrix higher than wide, one wider than high, a square one, the last layer's.
SHAPES = [("layers.0", 7, 3), ("layers.1", 4, 7), ("layers.2", 4, 4), ("layers.3", 2, 4)]


def orthogonalised(gradient, coefficients, steps, eps):
    a, b, c = coefficients
    x = gradient.T if gradient.size(0) > gradient.size(1) else gradient
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if gradient.size(0) > gradient.size(1) else x


torch.optim._muon._zeropower_via_newtonschulz = orthogonalised


def numbers(shape, seed):
    """Multiples of 1/64, which float32 holds too."""
    count = 1
    for size in shape:
        count *= size
    values = [((i * 7919 + seed * 104_729 + i * i * 31) % 127 - 63) / 64 for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


names = []
shapes = []
for name, out, width in SHAPES:
    names += [f"{name}.weight", f"{name}.bias"]
    shapes += [(out, width), (out,)]
initial = [numbers(shape, seed) for seed, shape in enumerate(shapes)]
gradients = [[numbers(shape, 100 + 10 * step + seed) for seed, shape in enumerate(shapes)] for step in range(STEPS)]
cases = []
for options in [
    {"nesterov": True, "momentum": 0.9375, "weight_decay": 0.125},
    {"nesterov": False, "momentum": 0.5, "weight_decay": 0.0},
]:
    parameters = [values.clone().requires_grad_() for values in initial]
    hidden = [p for p, name in zip(parameters, names) if name.endswith("weight") and not name.startswith("layers.3")]
    matrices = torch.optim.Muon(hidden, lr=RATE, **options)
    # The last layer's matrix has the decay, biases have none.
    others = torch.optim.AdamW(
        [
            {"params": [p for p, name in zip(parameters, names) if name == "layers.3.weight"]},
            {"params": [p for p, name in zip(parameters, names) if name.endswith("bias")], "weight_decay": 0.0},
        ],
        lr=RATE,
        weight_decay=options["weight_decay"],
    )
    path = []
    for step in gradients:
        for parameter, gradient in zip(parameters, step):
            parameter.grad = gradient.clone()
        matrices.step()
        others.step()
        path.append([p.flatten().tolist() for p in parameters])
    cases.append({**options, "path": path})
golden = {
    "torch": torch.__version__,
    "rate": RATE,
    "names": names,
    "initial": [values.flatten().tolist() for values in initial],
    "gradients": [[values.flatten().tolist() for values in step] for step in gradients],
    "cases": cases,
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=None) + "\n")
