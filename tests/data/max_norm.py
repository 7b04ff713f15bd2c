"""Makes max_norm.json: matrices after torch.renorm of their rows, in float64."""

import json
import pathlib

import torch

LIMIT = 1.5
cases = []
# Rows shorter and longer than the limit, one of exactly its length, one of zeros; few columns and many.
for rows, columns in [(5, 4), (3, 100)]:
    values = torch.tensor(
        [[row * ((7 * row + 3 * column) % 16 - 8) / 16 for column in range(columns)] for row in range(rows)],
        dtype=torch.float64,
    )
    if columns == 4:
        values[1] = torch.tensor([1.5, 0.0, 0.0, 0.0])
    expected = torch.renorm(values, p=2, dim=0, maxnorm=LIMIT)
    cases.append({"columns": columns, "values": values.flatten().tolist(), "expected": expected.flatten().tolist()})
golden = {"torch": torch.__version__, "limit": LIMIT, "cases": cases}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")
