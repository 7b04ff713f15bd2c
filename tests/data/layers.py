"""Makes layers.json: PyTorch's normalisations, PReLU and row-wise activations, with their gradients, in float64.

Each case has an input z, the module's parameters before, its output, and, for a gradient g of that output, the gradients by
z and by the parameters; the batch normalisation also its running statistics behind the step, and its output in eval mode.
"""

import json
import pathlib

import torch

torch.manual_seed(1)
ROWS, COLUMNS = 5, 3


def halves(*shape):
    """Multiples of 1/8, which float32 holds too; none is zero."""
    return (torch.randint(-16, 16, shape).double() + 0.5) / 8


def case(name, module, z):
    g = halves(*z.shape)
    z = z.clone().requires_grad_()
    before = {key: value.detach().clone() for key, value in module.state_dict().items()}
    output = module(z)
    output.backward(g)
    told = {
        "name": name,
        "columns": z.shape[1],
        "z": z.detach(),
        "g": g,
        "output": output.detach(),
        "dz": z.grad,
        "parameters": torch.cat([p.flatten() for p in module.parameters()]).detach() if list(module.parameters()) else [],
        "gradients": torch.cat([p.grad.flatten() for p in module.parameters()]) if list(module.parameters()) else [],
    }
    if isinstance(module, torch.nn.BatchNorm1d):
        told["running"] = torch.cat([before["running_mean"], before["running_var"]])
        told["running_after"] = torch.cat([module.running_mean, module.running_var])
        module.eval()
        told["inferred"] = module(z).detach()
    return {key: value.flatten().tolist() if torch.is_tensor(value) else value for key, value in told.items()}


def norm(module):
    module = module.double()
    with torch.no_grad():
        module.weight.copy_(halves(COLUMNS))
        module.bias.copy_(halves(COLUMNS))
        if hasattr(module, "running_mean"):
            module.running_mean.copy_(halves(COLUMNS))
            module.running_var.copy_(halves(COLUMNS).abs())
    return module


class Rowwise(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, z):
        return self.function(z, dim=1)


wide = halves(ROWS, 40)
cases = [
    case("batch", norm(torch.nn.BatchNorm1d(COLUMNS)), halves(ROWS, COLUMNS)),
    case("layer", norm(torch.nn.LayerNorm(COLUMNS)), halves(ROWS, COLUMNS)),
    case("prelu", torch.nn.PReLU().double(), halves(ROWS, COLUMNS)),
    case("softmax", Rowwise(torch.softmax), halves(ROWS, COLUMNS)),
    case("log-softmax", Rowwise(torch.log_softmax), halves(ROWS, COLUMNS)),
    case("softmax", Rowwise(torch.softmax), wide),
    case("log-softmax", Rowwise(torch.log_softmax), wide),
]
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"torch": torch.__version__, "cases": cases}, indent=1) + "\n")
