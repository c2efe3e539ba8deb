"""Made-up head scores and mean patterns whose true effects are known, for tests of overlap."""

import numpy as np

from headreuse.records import HeadScores, MeanPattern
from headreuse.study import Group


def heads(*values: float) -> np.ndarray:
    return np.array(values, dtype=float).reshape(2, -1)


def scores(truth, *, task="copy", noise=0.2, n=128, accuracy=1.0, seed=0, length=8, method="mean_ablation"):
    generator = np.random.default_rng(seed)
    truth = np.asarray(truth, dtype=float)
    effects = truth[..., None] + noise * generator.normal(size=(*truth.shape, n))
    baseline = {"exact_match": (np.arange(n) < accuracy * n).astype(float), "log_prob": -np.ones(n)}
    return HeadScores(task, length, method, baseline, {"log_prob": effects})


def group(*tasks: str, main: int = 8, longer: int = 16) -> Group:
    auxiliary = [{"task": task, "max_length": longer} for task in tasks[1:]]
    return Group.model_validate({"name": "g", "main": {"task": tasks[0], "max_length": main}, "auxiliary": auxiliary})


def pattern(values, *, task="copy", layout=("BOS", "INPUT", "ANSWER")) -> MeanPattern:
    return MeanPattern(task, 8, 64, tuple(layout), np.asarray(values, dtype=float))
