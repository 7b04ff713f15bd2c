"""Makes metrics.json: what scikit-learn makes of confusion matrices (rows by true class, then by predicted class).

Expected: balanced accuracy, Matthews, and precision, recall, F1 as macro and as weighted averages.
"""

import json
import pathlib
import warnings

from sklearn import metrics

CONFUSIONS = [
    [[5, 1], [2, 7]],
    [[3, 0, 1], [1, 4, 0], [0, 2, 6]],
    [[4, 0], [0, 4]],
    [[0, 4], [4, 0]],
    # Never called the second; no rows of the second; neither.
    [[4, 0], [3, 0]],
    [[4, 3], [0, 0]],
    [[4, 0, 1], [0, 0, 0], [2, 0, 3]],
    [[7]],
    [[6, 0], [0, 0]],
]

warnings.simplefilter("ignore")
cases = []
for confusion in CONFUSIONS:
    pairs = [(t, p) for t, row in enumerate(confusion) for p, count in enumerate(row) for _ in range(count)]
    true, predicted = zip(*pairs)
    expected = [metrics.balanced_accuracy_score(true, predicted), metrics.matthews_corrcoef(true, predicted)]
    for average in ["macro", "weighted"]:
        scores = metrics.precision_recall_fscore_support(true, predicted, average=average, zero_division=0)
        expected += scores[:3]
    cases.append({"confusion": confusion, "expected": [float(value) for value in expected]})
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(cases, indent=1) + "\n")
