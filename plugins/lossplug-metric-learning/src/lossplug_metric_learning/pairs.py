"""What a loss of pairs is written with, in this package and in others.

`pair_loss` makes a loss of labels and embeddings from a function of `Rows`, which returns `Terms`.
"""

from __future__ import annotations

from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import (
    Rows,
    Terms,
    log_sum_exp,
    masked_mean,
    one_each,
    terms,
)

__all__ = [
    "Rows",
    "Terms",
    "like",
    "log_sum_exp",
    "masked_mean",
    "one_each",
    "pair_loss",
    "terms",
]
