"""Images warped by torch.nn.functional.grid_sample: warp.json, read by src/backend/cpu/warp.rs.

Each image is flipped, turned about its centre (from the right to below) and moved, by the inverse of the three maps' product; pixels are
interpolated linearly both ways, and what lies outside is the background.
"""

import json
import pathlib

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
random = np.random.default_rng(1)
cases = []
for height, width, shift, degrees, flip, background in [
    (8, 8, [0, 0], 0, False, 0.0),
    (8, 8, [0, 0], 0, True, 0.5),
    (8, 8, [2, -1], 0, False, -1.0),
    (7, 5, [0, 0], 90, False, 0.0),
    (5, 7, [1, 1], 180, True, -0.5),
    (9, 12, [-1, 2], 10, True, -0.75),
    (9, 12, [0, 0], -33.5, False, 0.25),
    (1, 6, [1, 0], 15, True, 1.5),
    (28, 28, [2, 2], -15, False, -0.8),
]:
    image = random.normal(size=(height, width)).round(3)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])

    def matrix(linear, offset):
        whole = np.eye(3)
        whole[:2, :2] = linear
        whole[:2, 2] = offset
        return whole

    angle = np.radians(degrees)
    turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    mirror = [[-1 if flip else 1, 0], [0, 1]]
    unit = np.eye(2)
    forward = (
        matrix(unit, centre + shift)
        @ matrix(turn, [0, 0])
        @ matrix(mirror, [0, 0])
        @ matrix(unit, -centre)
    )
    y, x = np.mgrid[:height, :width]
    places = np.linalg.inv(forward) @ np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    # grid_sample has -1 for the first pixel and 1 for the last.
    sides = np.array([[max(width - 1, 1)], [max(height - 1, 1)]])
    grid = places[:2] / sides * 2 - 1
    if height == 1:
        # One row has no two ends: it is widened by rows of background on both sides.
        source = np.pad(image - background, ((1, 1), (0, 0)))
        grid[1] = (places[1] + 1) / 2 * 2 - 1
    else:
        source = image - background
    grid = torch.tensor(grid.T.reshape(1, height, width, 2))
    found = torch.nn.functional.grid_sample(
        torch.tensor(source)[None, None],
        grid,
        mode="bilinear",
        padding_mode="zeros",
        align_corners=True,
    )
    cases.append(
        {
            "height": height,
            "width": width,
            "shift": shift,
            "degrees": degrees,
            "flip": flip,
            "background": background,
            "input": image.ravel().tolist(),
            "expected": (found.ravel() + background).numpy().round(9).tolist(),
        }
    )
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases) + "\n")
