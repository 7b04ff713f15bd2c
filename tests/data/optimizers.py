"""Makes optimizers.json: a few weights after each of 20 steps of every optimizer of PyTorch, also with clipped gradients, or
their running mean, in float64.

Lion is not in PyTorch; it is written out here from the paper (Chen et al. 2023, algorithm 2).
"""

import json
import pathlib

import torch
import torch.optim.swa_utils

STEPS = 20
WEIGHTS = [0.5, -1.25, 0.0, 2.0, -0.03125]
# Multiples of 1/16, which float32 holds too; the last weight's are small, the third's are zero for a while.
GRADIENTS = [
    [((7 * step + 3) % 32 - 14) / 16, ((5 * step + 11) % 16 - 9) / 8, 0.0 if step < 6 else 0.25, 1.5, (-1) ** step / 64]
    for step in range(STEPS)
]


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (beta1, beta2), lr = group["betas"], group["lr"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.mul_(1 - lr * group["weight_decay"])
                p.sub_(lr * torch.sign(beta1 * m + (1 - beta1) * p.grad))
                m.mul_(beta2).add_((1 - beta2) * p.grad)


DECAY = 0.0625
CASES = [
    ("sgd", {}, lambda p: torch.optim.SGD(p, lr=0.0625)),
    ("sgd", {"momentum": 0.75, "weight_decay": DECAY}, lambda p: torch.optim.SGD(p, lr=0.0625, momentum=0.75, weight_decay=DECAY)),
    (
        "sgd",
        {"momentum": 0.75, "nesterov": True},
        lambda p: torch.optim.SGD(p, lr=0.0625, momentum=0.75, nesterov=True),
    ),
    ("adam", {"weight_decay": DECAY}, lambda p: torch.optim.Adam(p, lr=0.0625, weight_decay=DECAY)),
    ("adamw", {"weight_decay": DECAY}, lambda p: torch.optim.AdamW(p, lr=0.0625, weight_decay=DECAY)),
    ("amsgrad", {"weight_decay": DECAY}, lambda p: torch.optim.Adam(p, lr=0.0625, amsgrad=True, weight_decay=DECAY)),
    # With a mean this short v falls again, so that the largest is another.
    ("amsgrad", {"beta2": 0.5}, lambda p: torch.optim.Adam(p, lr=0.0625, betas=(0.9, 0.5), amsgrad=True)),
    ("nadam", {"weight_decay": DECAY}, lambda p: torch.optim.NAdam(p, lr=0.0625, weight_decay=DECAY)),
    ("radam", {"weight_decay": DECAY}, lambda p: torch.optim.RAdam(p, lr=0.0625, weight_decay=DECAY)),
    ("rmsprop", {"weight_decay": DECAY}, lambda p: torch.optim.RMSprop(p, lr=0.0625, weight_decay=DECAY)),
    ("rmsprop", {"momentum": 0.75}, lambda p: torch.optim.RMSprop(p, lr=0.0625, momentum=0.75)),
    ("adagrad", {"weight_decay": DECAY}, lambda p: torch.optim.Adagrad(p, lr=0.0625, weight_decay=DECAY)),
    ("adadelta", {"weight_decay": DECAY}, lambda p: torch.optim.Adadelta(p, lr=0.0625, weight_decay=DECAY)),
    ("sgd", {"momentum": 0.75, "clip_value": 0.5}, lambda p: torch.optim.SGD(p, lr=0.0625, momentum=0.75)),
    ("sgd", {"weight_decay": DECAY, "clip_norm": 1.625}, lambda p: torch.optim.SGD(p, lr=0.0625, weight_decay=DECAY)),
    ("adam", {"clip_value": 0.75, "clip_norm": 0.875}, lambda p: torch.optim.Adam(p, lr=0.0625)),
    # L1 is not among the options of torch.optim: its gradient is added to the loss's.
    ("adam", {"weight_decay": DECAY, "l1": 0.125}, lambda p: torch.optim.Adam(p, lr=0.0625, weight_decay=DECAY)),
    ("sgd", {"momentum": 0.75, "average": 0.75}, lambda p: torch.optim.SGD(p, lr=0.0625, momentum=0.75)),
    ("lion", {"weight_decay": DECAY}, lambda p: Lion(p, lr=0.0625, betas=(0.9, 0.99), weight_decay=DECAY)),
]

cases = []
for rule, options, make in CASES:
    weights = torch.tensor(WEIGHTS, dtype=torch.float64, requires_grad=True)
    optimizer = make([weights])
    path = []
    ema = torch.optim.swa_utils.get_ema_multi_avg_fn(options["average"]) if "average" in options else None
    holder = torch.nn.Module()
    holder.weights = torch.nn.Parameter(weights.detach().clone())
    averaged = torch.optim.swa_utils.AveragedModel(holder, multi_avg_fn=ema)
    averages = []
    for gradient in GRADIENTS:
        weights.grad = torch.tensor(gradient, dtype=torch.float64)
        if "clip_value" in options:
            torch.nn.utils.clip_grad_value_([weights], options["clip_value"])
        if "clip_norm" in options:
            torch.nn.utils.clip_grad_norm_([weights], options["clip_norm"])
        weights.grad += options.get("l1", 0.0) * torch.sign(weights.detach())
        optimizer.step()
        path.append(weights.tolist())
        holder.weights.data = weights.detach().clone()
        averaged.update_parameters(holder)
        averages.append(averaged.module.weights.tolist())
    cases.append({"rule": rule, **options, "path": averages if ema else path})
golden = {"torch": torch.__version__, "rate": 0.0625, "weights": WEIGHTS, "gradients": GRADIENTS, "cases": cases}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=1) + "\n")
