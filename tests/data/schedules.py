"""Makes schedules.json: the learning rate's factor at each of 40 steps, 4 to an epoch, by PyTorch's schedulers.

The inverse square root is not among them; it is written out here from the paper (Vaswani et al. 2017).
"""

import json
import pathlib

import torch
from torch.optim import lr_scheduler

TOTAL, PER_EPOCH, WARMUP = 40, 4, 8
LOSSES = [1.0, 0.5, 0.49999, 0.6, 0.5, 0.4, 0.41, 0.4, 0.4, 0.39999, 0.2, 0.3]


def factors(make, every=1):
    """The rate at each step, where the scheduler goes on after every `every` steps."""
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for step in range(TOTAL):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % every == 0:
            scheduler.step()
    return rates


def warm(optimizer, after):
    # A straight line from 1/8 at the first step to 1 at the eighth.
    rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / WARMUP, total_iters=WARMUP - 1)
    return lr_scheduler.SequentialLR(optimizer, [rise, after], [WARMUP])


def plateau():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    rates = []
    for loss in LOSSES:
        scheduler.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


golden = {
    "torch": torch.__version__,
    "step": factors(lambda o: lr_scheduler.StepLR(o, 3, gamma=0.5), PER_EPOCH),
    "exponential": factors(lambda o: lr_scheduler.ExponentialLR(o, 0.75), PER_EPOCH),
    "polynomial": factors(lambda o: lr_scheduler.PolynomialLR(o, TOTAL, power=2.0)),
    "cosine": factors(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, TOTAL // 2)),
    "one-cycle": factors(lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=TOTAL)),
    "inverse-square-root": [min((step + 1) / WARMUP, (WARMUP / (step + 1)) ** 0.5) for step in range(TOTAL)],
    "warm cosine": factors(lambda o: warm(o, lr_scheduler.CosineAnnealingLR(o, TOTAL - WARMUP))),
    "losses": LOSSES,
    "plateau": plateau(),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=1) + "\n")
