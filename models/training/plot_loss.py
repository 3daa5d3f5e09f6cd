#!/usr/bin/env python3
"""Draws the loss curve of training.json as a PNG."""

import argparse
import json
import pathlib

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (the backend must be chosen first)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training", type=pathlib.Path, help="training.json")
    parser.add_argument("png", type=pathlib.Path)
    arguments = parser.parse_args()
    tokens, losses = np.array(json.loads(arguments.training.read_text(encoding="utf-8"))["curve"]).T
    window = min(20, len(losses))
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.plot(tokens / 1e6, losses, linewidth=0.5, alpha=0.4, label="one step")
    axes.plot(tokens[window - 1 :] / 1e6, smooth, linewidth=1.2, label=f"mean of {window} steps")
    axes.set_yscale("log")
    axes.set_xlabel("tokens seen (millions)")
    axes.set_ylabel("training loss (answers)")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(arguments.png, dpi=110)


if __name__ == "__main__":
    main()
