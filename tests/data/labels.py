"""Makes labels.json: what scikit-learn makes of probabilities of labels, of which each row may have several.

Expected: Hamming loss; precision, recall and F1 as macro, micro and weighted averages; the mean of the labels' log-losses. Ranks: ROC AUC
and average precision, means over labels; null where scikit-learn has none.
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn import metrics

warnings.simplefilter("ignore")
random = np.random.default_rng(1)


def case(answers, targets):
    answers, targets = np.asarray(answers, np.float32), np.asarray(targets, np.int64)
    called = (answers > 0.5).astype(np.int64)
    expected = [metrics.hamming_loss(targets, called)]
    for average in ["macro", "micro", "weighted"]:
        scores = metrics.precision_recall_fscore_support(targets, called, average=average, zero_division=0)
        expected += scores[:3]
    # As it clips 32-bit probabilities, with logarithms in double precision.
    least = np.finfo(np.float32).eps
    clipped = np.clip(answers.astype(np.float64), least, 1 - least)
    losses = [metrics.log_loss(there, p, labels=[0, 1]) for there, p in zip(targets.T, clipped.T)]
    expected.append(np.mean(losses))

    def value(score):
        try:
            found = float(score())
            return None if np.isnan(found) else found
        except ValueError:
            return None

    return {
        "columns": answers.shape[1],
        "answers": answers.ravel().astype(float).tolist(),
        "targets": targets.ravel().tolist(),
        "expected": [float(value) for value in expected],
        "ranks": [
            value(lambda: metrics.roc_auc_score(targets, answers, average="macro")),
            value(lambda: metrics.average_precision_score(targets, answers, average="macro")),
        ],
    }


def drawn(rows, labels, step=None):
    targets = random.integers(0, 2, (rows, labels))
    answers = np.clip(targets * 0.3 + random.random((rows, labels)) * 0.7, 0, 1)
    return (np.round(answers / step) * step if step else answers), targets


none = drawn(20, 3)
none[1][:, 1] = 0
every = drawn(20, 3)
every[1][:, 2] = 1
cases = [
    case(*drawn(40, 3)),
    case(*drawn(40, 5, step=0.25)),
    # A label that no row has, one that all have, and none at all.
    case(*none),
    case(*every),
    case(np.full((4, 2), 0.1), np.zeros((4, 2))),
]
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(cases, indent=1) + "\n")
