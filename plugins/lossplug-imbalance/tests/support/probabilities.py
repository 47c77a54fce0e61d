"""Targets and predictions that several families of tests share, and probabilities in float64."""

import numpy as np

__all__ = [
    "BINARY",
    "BINARY_POSITIONS",
    "DISTRIBUTIONS",
    "HUGE_BINARY",
    "HUGE_IDS",
    "HUGE_LOGITS",
    "IDS",
    "ID_POSITIONS",
    "LOGITS",
    "ONE_HOT",
    "POSITIONS",
    "PROBABILITIES",
    "SATURATED",
    "SOFT",
    "SOFT_LABELS",
    "UNDECIDED",
    "log_softmax",
    "one_hot",
    "sigmoid_logs",
    "softmax_logs",
    "with_outputs",
]


def sigmoid_logs(y_pred, from_logits):
    """log p and log(1 - p)."""
    if from_logits:
        return -np.logaddexp(0, -y_pred), -np.logaddexp(0, y_pred)
    p = np.clip(y_pred, 1e-7, 1 - 1e-7)
    return np.log(p), np.log(1 - p)


def log_softmax(y_pred, from_logits):
    if from_logits:
        return y_pred - np.logaddexp.reduce(y_pred, axis=-1, keepdims=True)
    return np.log(np.clip(y_pred / y_pred.sum(-1, keepdims=True), 1e-7, 1 - 1e-7))


def softmax_logs(y_pred, from_logits):
    """log p and log(1 - p), where p sums to 1."""
    log_p = log_softmax(y_pred, from_logits)
    with np.errstate(divide="ignore"):
        return log_p, np.log(-np.expm1(log_p))


def one_hot(y_true, y_pred):
    if y_true.shape == y_pred.shape:
        return y_true.astype("float64")
    return np.eye(y_pred.shape[-1])[y_true.reshape(y_pred.shape[:-1])]


def with_outputs(y_true, y_pred):
    shape = y_pred.shape if y_pred.ndim > 1 else (len(y_pred), 1)
    return y_true.reshape(shape), y_pred.reshape(shape)


rng = np.random.default_rng(0)

LOGITS = rng.normal(0, 3, (5, 3))
POSITIONS = rng.normal(0, 3, (2, 4, 3))
PROBABILITIES = rng.uniform(0.05, 0.95, (5, 3))
DISTRIBUTIONS = rng.dirichlet((1.0, 1.0, 1.0), 5)
BINARY = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]])
BINARY_POSITIONS = rng.integers(0, 2, (2, 4, 3))
SOFT = rng.uniform(0, 1, (5, 3))
IDS = np.array([0, 2, 1, 1, 0])
ID_POSITIONS = rng.integers(0, 3, (2, 4))
ONE_HOT = np.eye(3, dtype=int)[IDS]
SOFT_LABELS = rng.dirichlet((0.3, 0.3, 0.3), 5)

HUGE_LOGITS = np.array([[1e4, -1e4, 1e4], [-1e4, 1e4, -1e4], [100, 0, -100], [0, 0, 0]])
HUGE_BINARY = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 1, 0]])
SATURATED = np.array([[1.0, 0, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
UNDECIDED = np.zeros((4, 3))
HUGE_IDS = np.array([0, 0, 1, 2])
