"""Makes scaling.json: numbers that a scaling is fitted to, new ones, and what becomes of them in double precision.

Standard, min-max and quantile scaling are scikit-learn's; robust scaling with smooth clipping is written out from the paper
(Holzmüller, Grinsztajn, Steinwart: "Better by Default", 2024).
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn import preprocessing

warnings.simplefilter("ignore")
random = np.random.default_rng(1)


def robust(fitted, new):
    low, median, high = np.percentile(fitted, [25, 50, 75])
    scale = 1 / (high - low) if high > low else 2 / (fitted.max() - fitted.min())
    z = scale * (new - median)
    return z / np.sqrt(1 + (z / 3) ** 2)


def case(fitted, new):
    fitted, new = (np.asarray(numbers, np.float32).astype(np.float64) for numbers in (fitted, new))
    new = np.concatenate([new, fitted[:10]])
    of = lambda scaler: scaler.fit(fitted[:, None]).transform(new[:, None])[:, 0].tolist()
    quantiles = preprocessing.QuantileTransformer(n_quantiles=min(1000, len(fitted)), output_distribution="normal", subsample=None)
    expected = {
        "auto": of(preprocessing.StandardScaler()),
        "min-max": of(preprocessing.MinMaxScaler()),
        "robust": robust(fitted, new).tolist(),
        "quantile": of(quantiles),
    }
    return {"fitted": fitted.tolist(), "new": new.tolist(), "expected": expected}


normal = random.normal(size=50)
cases = [
    case(normal, [-10, -1, 0, 0.3, 1, 10]),
    case(np.exp(3 * normal), [0.001, 0.5, 1, 2, 1000]),
    # Many ties, at the ends too; quartiles that are the same.
    case(random.integers(0, 4, 40), [0, 0.5, 1, 2, 2.5, 3, 4]),
    case([0] * 30 + [1, 5], [0, 0.5, 1, 3, 5, 6]),
    case([1.0, 2.0], [1, 1.5, 2]),
    # More rows than quantiles.
    case(np.round(random.normal(size=1500), 2), [-2, -0.005, 0, 0.5, 0.505]),
]
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(cases, indent=1) + "\n")
