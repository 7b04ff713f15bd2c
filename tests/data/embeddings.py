"""Makes embeddings.json: what stands before the first layer, by PyTorch, in float64, with the gradients by its parameters.

The waves are PBLD of Holzmueller et al. 2024, "Better by Default", written out: each number x becomes x and V cos(2 pi w x + b) + c.
The columns of many texts are one nn.Embedding. Inputs and parameters are numbers that float32 holds too.
"""

import json
import pathlib

import torch

torch.manual_seed(1)
ROWS, NUMBERS, FREQUENCIES, OUTPUTS = 7, 2, 5, 3


def parts(unit, *shape):
    return (torch.randint(-16, 16, shape).double() + 0.5) / unit


def waves():
    # Numbers, then one column that is passed on.
    x = parts(8, ROWS, NUMBERS + 1)
    w = parts(64, NUMBERS, FREQUENCIES).requires_grad_()
    b = parts(8, NUMBERS, FREQUENCIES).requires_grad_()
    v = parts(32, NUMBERS, OUTPUTS, FREQUENCIES).requires_grad_()
    c = parts(32, NUMBERS, OUTPUTS).requires_grad_()
    numbers = x[:, :NUMBERS]
    u = torch.cos(2 * torch.pi * numbers[..., None] * w + b)
    y = torch.einsum("rnk,nok->rno", u, v) + c
    output = torch.cat([torch.cat([numbers[..., None], y], -1).flatten(1), x[:, NUMBERS:]], 1)
    g = parts(8, *output.shape)
    output.backward(g)
    flat = lambda values: torch.cat([value.flatten() for value in values]).tolist()
    return {
        "shape": {"numbers": NUMBERS, "frequencies": FREQUENCIES, "outputs": OUTPUTS},
        "x": x.flatten().tolist(),
        "parameters": flat([w.detach(), b.detach(), v.detach(), c.detach()]),
        "g": g.flatten().tolist(),
        "output": output.detach().flatten().tolist(),
        "gradients": flat([w.grad, b.grad, v.grad, c.grad]),
    }


def lookup():
    # One column that is passed on, then two of texts: rows 0 to 2 and 3 to 6 of the table.
    texts = torch.stack([torch.randint(0, 3, (ROWS,)), torch.randint(3, 7, (ROWS,))], 1)
    passed = parts(8, ROWS, 1)
    table = torch.nn.Embedding(7, 4, dtype=torch.float64)
    table.weight.data = parts(8, 7, 4)
    output = torch.cat([passed, table(texts).flatten(1)], 1)
    g = parts(8, *output.shape)
    output.backward(g)
    return {
        "x": torch.cat([passed, texts.double()], 1).flatten().tolist(),
        "table": table.weight.detach().flatten().tolist(),
        "g": g.flatten().tolist(),
        "output": output.detach().flatten().tolist(),
        "gradient": table.weight.grad.flatten().tolist(),
    }


golden = {"torch": torch.__version__, "rows": ROWS, "waves": waves(), "lookup": lookup()}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, indent=1) + "\n")
