"""Makes scores.json: what scikit-learn makes of answers and targets, and the calibration error of Guo et al. 2017 by NumPy.

Expected of classes: ROC AUC, average precision, log-loss, calibration error; null where scikit-learn refuses. Top: top-k accuracy
from k = 1 on. Expected of values: MAPE, explained variance, median absolute error, largest error, RMSE, MAE, R². Of quantiles: the pinball loss
of each, and the share of the targets that are not above it, by NumPy. Of several values: those of values but the largest error,
with multioutput="uniform_average".
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn import metrics

warnings.simplefilter("ignore")
random = np.random.default_rng(1)


def calibration_error(answers, targets):
    sure, best = answers.max(axis=1).astype(np.float64), answers.argmax(axis=1)
    error = 0.0
    for low in np.arange(15) / 15:
        inside = (sure > low) & (sure <= low + 1 / 15)
        if inside.any():
            error += inside.mean() * abs((best == targets)[inside].mean() - sure[inside].mean())
    return error


def of_classes(rows, columns, step=None, missing=None, targets=None):
    answers = random.dirichlet(np.ones(columns), rows)
    if step:
        answers = np.round(answers / step) * step
        answers[:, -1] = 1 - answers[:, :-1].sum(axis=1)
    answers = answers.astype(np.float32)
    if targets is None:
        targets = random.integers(0, columns, rows)
        if missing is not None:
            targets[targets == missing] = (missing + 1) % columns
        elif columns > 2:
            targets[:columns] = np.arange(columns)
    targets = np.asarray(targets)
    scores = answers[:, 1] if columns == 2 else answers
    labels = np.arange(columns)

    def value(score):
        try:
            found = float(score())
            return None if np.isnan(found) else found
        except ValueError:
            return None

    # As it clips 32-bit probabilities, with logarithms in double precision.
    least = np.finfo(np.float32).eps
    clipped = np.clip(answers.astype(np.float64), least, 1 - least)
    complete = columns == 2 or len(set(targets)) == columns
    expected = [
        value(lambda: metrics.roc_auc_score(targets, scores, multi_class="ovr", average="macro")),
        value(lambda: metrics.average_precision_score(targets, scores)) if complete else None,
        value(lambda: metrics.log_loss(targets, clipped, labels=labels)),
        calibration_error(answers, targets),
    ]
    return {
        "columns": columns,
        "answers": answers.ravel().astype(float).tolist(),
        "targets": targets.tolist(),
        "expected": expected,
        "top": [value(lambda: metrics.top_k_accuracy_score(targets, scores, k=k, labels=labels)) for k in labels + 1],
    }


def of_values(targets, answers):
    targets, answers = np.asarray(targets, np.float32), np.asarray(answers, np.float32)
    precise = targets.astype(np.float64), answers.astype(np.float64)
    expected = [
        metrics.mean_absolute_percentage_error(*precise),
        metrics.explained_variance_score(*precise),
        metrics.median_absolute_error(*precise),
        metrics.max_error(*precise),
        metrics.root_mean_squared_error(*precise),
        metrics.mean_absolute_error(*precise),
        metrics.r2_score(*precise) if len(targets) > 1 else 0.0,
    ]
    return {
        "answers": answers.astype(float).tolist(),
        "targets": targets.astype(float).tolist(),
        "expected": [float(value) for value in expected],
    }


def of_several(targets, answers):
    targets, answers = np.asarray(targets, np.float32), np.asarray(answers, np.float32)
    precise = targets.astype(np.float64), answers.astype(np.float64)
    scores = [
        metrics.mean_absolute_percentage_error,
        metrics.explained_variance_score,
        metrics.median_absolute_error,
        metrics.root_mean_squared_error,
        metrics.mean_absolute_error,
        metrics.r2_score,
    ]
    return {
        "columns": targets.shape[1],
        "answers": precise[1].ravel().tolist(),
        "targets": precise[0].ravel().tolist(),
        "expected": [float(score(*precise, multioutput="uniform_average")) for score in scores],
    }


def of_quantiles(levels, targets, answers):
    targets, answers = np.asarray(targets, np.float32), np.sort(np.asarray(answers, np.float32), axis=1)
    precise = targets.astype(np.float64), answers.astype(np.float64)
    # As a float32 holds them.
    alphas = np.asarray(levels, np.float32).astype(np.float64)
    columns = list(zip(alphas, precise[1].T))
    return {
        "levels": levels,
        "answers": precise[1].ravel().tolist(),
        "targets": precise[0].tolist(),
        "pinball": [float(metrics.mean_pinball_loss(precise[0], column, alpha=alpha)) for alpha, column in columns],
        "coverage": [float((precise[0] <= column).mean()) for _, column in columns],
    }


normal = random.normal(size=(2, 31))
scores = {
    "classes": [
        of_classes(40, 2),
        of_classes(40, 2, step=0.25),
        of_classes(9, 2, targets=[0] * 9),
        of_classes(9, 2, targets=[1] * 9),
        of_classes(1, 2, targets=[1]),
        of_classes(60, 3, step=0.125),
        of_classes(30, 4, missing=2),
        of_classes(50, 8),
        of_classes(50, 8, step=0.125),
    ],
    "values": [
        of_values(normal[0], normal[0] + normal[1] / 4),
        of_values(normal[0][:30] * 100 + 1000, normal[1][:30] * 100 + 1000),
        of_values([0.0, 2.0, 4.0], [1.0, 2.0, 3.0]),
        of_values([5.0, 5.0], [5.0, 5.0]),
        of_values([5.0, 5.0, 5.0], [5.0, 6.0, 4.0]),
        of_values([3.0], [4.0]),
    ],
    "several": [
        of_several(normal.T * [1, 50] + [0, 900], normal.T * [0.9, 45] + [0.1, 901]),
        # A target that never changes, answered right and wrong.
        of_several([[1, 5, 2], [2, 5, 2], [4, 5, 2]], [[1, 5, 2], [3, 5, 1], [3, 5, 2]]),
    ],
    "quantiles": [
        of_quantiles([0.1, 0.5, 0.9], normal[0], normal[0][:, None] + random.normal(size=(31, 3))),
        of_quantiles([0.25], [1.0, 2.0, 3.0, 4.0], [[2.0]] * 4),
        of_quantiles([0.05, 0.95], [1.0], [[1.0, 1.0]]),
    ],
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(scores, indent=1) + "\n")
