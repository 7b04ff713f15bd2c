"""Makes piecewise.json: numbers that bins are fitted to, their edges, and how new numbers fill them, in double precision.

Written out from equation 1 and section 3.2.1 of Gorishniy, Rubachev, Babenko: "On Embeddings for Numerical Features in Tabular
Deep Learning" (2022).
"""

import json
import pathlib

import numpy as np

random = np.random.default_rng(1)


def encode(edges, x):
    values = []
    last = len(edges) - 2
    for t in range(last + 1):
        low, high = edges[t], edges[t + 1]
        if x < low and t > 0:
            values.append(0.0)
        elif x >= high and t < last:
            values.append(1.0)
        else:
            values.append((x - low) / (high - low))
    return values


def case(fitted, bins, new):
    fitted, new = (np.asarray(numbers, np.float32).astype(np.float64) for numbers in (fitted, new))
    edges = np.unique(np.quantile(fitted, np.linspace(0, 1, bins + 1)).astype(np.float32)).astype(np.float64)
    new = np.concatenate([new, edges, [edges[0] - 1, edges[-1] + 1], fitted[:5]])
    return {
        "fitted": fitted.tolist(),
        "bins": bins,
        "edges": edges.tolist(),
        "new": new.tolist(),
        "expected": [encode(edges, x) for x in new],
    }


normal = random.normal(size=50)
cases = [
    case(normal, 16, [-10, -1, 0, 0.3, 1, 10]),
    case(np.exp(3 * normal), 8, [0.001, 0.5, 1, 2, 1000]),
    # Many ties, at the ends too.
    case(random.integers(0, 4, 40), 16, [0.5, 1.5, 2.5]),
    case([0] * 30 + [1, 5], 16, [0.5, 3, 6]),
    # One bin, and more bins than rows.
    case([1.0, 2.0], 1, [1.5, 3]),
    case([1.0, 2.0], 16, [1.5, 1.03]),
]
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(cases, indent=1) + "\n")
