"""Triplet loss with a margin: of all triplets, or of chosen ones."""

from __future__ import annotations

from typing import Literal

from lossplug_core import NonNegative, ops
from lossplug_core.errors import ParameterError
from lossplug_metric_learning import mining
from lossplug_metric_learning._inputs import like
from lossplug_metric_learning._pair_loss import pair_loss
from lossplug_metric_learning._rows import Rows, Terms, one_each
from lossplug_metric_learning._triplets import margin_triplets

__all__ = ["triplet_margin"]


@pair_loss(
    distance="euclidean",
    normalize=True,
    average="terms",
    paper="arXiv:1503.03832",
    conventions={
        "pytorch-metric-learning": {"margin": 0.05, "average": "nonzero"},
        "tensorflow-addons": {
            "triplets": "hard",
            "margin": 1.0,
            "normalize": False,
            "average": "anchors",
        },
    },
    range=(0, None),
)
def triplet_margin(
    rows: Rows,
    *,
    margin: NonNegative = 0.2,
    triplets: Literal["all", "semi_hard", "hard", "easy_positive"] = "all",
    smooth: bool = False,
) -> Terms:
    r"""Triplet loss: each positive closer to the anchor than each negative, by a margin.

    All triplets of a batch of $N$ are added up exactly in $N^2 \log N$ time and $N^2$ memory,
    though there are up to $N^3 / 4$: none is listed. An anchor without positives, or without
    negatives, has no triplet and value 0.

    Implementations disagree on which triplets, and on what their mean is. Weinberger and Saul 2009
    have all; Schroff et al. 2015 those that are semi-hard; Hermans et al. 2017 the hardest one of
    each anchor, and a soft margin; Xuan et al. 2019 the easiest positive. Of all triplets, the mean
    of those that cost something, `average="nonzero"`, does not vanish when most are learned: it is
    what pytorch-metric-learning has. TensorFlow Addons, the convention `tensorflow-addons`, means
    its TripletHardLoss, which gives an anchor without positives the cost of a positive 0 apart.
    tensorflow-similarity has the farthest positive, the closest negative beyond it, and a soft
    margin: `triplets="hard"`, `mining="semi_hard"`, `smooth=True`, `margin=0`, `distance="cosine"`;
    it takes the farthest negative where none is beyond, and this loss leaves such an anchor out.
    `triplet_semi_hard` meets each positive with one negative.

    Formula:
        $$\ell_a = \frac{1}{|T_a|} \sum_{(p, n) \in T_a} \max(d_{ap} - d_{an} + m,\ 0)$$

        where $T_a$ are the triplets of anchor $a$: of a positive $p$, another sample of its class,
        and a negative $n$, a sample of another class. $d$ is the distance of two embeddings, and
        $m$ is the margin. This is the value with `average="anchors"`; by default the sum is divided
        by the mean number of triplets of an anchor instead. With `smooth`, $\log(1 + e^x)$ replaces
        $\max(x, 0)$.

    Args:
        margin: How much farther than the positive the negative should be; in the unit of the
            distance. On the unit sphere no distance exceeds 2.
        triplets: Which ones of an anchor. `"all"`. `"semi_hard"`: those with
            $d_{ap} < d_{an} \le d_{ap} + m$. `"hard"`: that of the farthest positive and the
            closest negative. `"easy_positive"`: that of the closest positive and the closest
            negative beyond it; an anchor without such a negative is left out. With `mining`, they
            are chosen among the pairs that are left.
        smooth: Replace the hinge by softplus, which never is 0. Only where an anchor has one
            triplet, `"hard"` and `"easy_positive"`: no sum of softplus over all triplets is known
            that would take less than $N^3$ time.

    Raises:
        ParameterError: `smooth` is wished of all triplets, or of all that are semi-hard.

    Example:
        >>> from keras import ops
        >>> embeddings = [[0.0], [1.0], [1.1], [4.0]]
        >>> values = triplet_margin([0, 0, 1, 1], embeddings, normalize=False)
        >>> [round(value, 4) for value in ops.convert_to_numpy(values).tolist()]
        [0.05, 0.55, 2.5, 0.05]

    Reference:
        Schroff, Kalenichenko, Philbin: FaceNet, 2015, arXiv:1503.03832; Weinberger, Saul: Distance
        Metric Learning for Large Margin Nearest Neighbor Classification, 2009; Hermans, Beyer,
        Leibe: In Defense of the Triplet Loss for Person Re-Identification, 2017, arXiv:1703.07737
    """
    margin = like(margin, rows.measured)
    if triplets in ("all", "semi_hard"):
        if smooth:
            raise ParameterError(
                "A smooth triplet loss of many triplets an anchor would take batch³ time.",
                expected='triplets="hard" or "easy_positive" with smooth=True',
                received=f"triplets={triplets!r}",
                fix='Choose triplets="hard", or smooth=False; `supcon` and `n_pairs` are smooth '
                "losses of all negatives.",
            )
        return margin_triplets(rows, margin, beyond=triplets == "semi_hard")
    one = mining.hard(rows) if triplets == "hard" else mining.easy_positive(rows)
    distances = one.distances
    to_positive, to_negative = (
        ops.sum(ops.where(mask, distances, 0.0), axis=1) for mask in (one.positive, one.negative)
    )
    gap = to_positive - to_negative + margin
    return one_each(ops.softplus(gap) if smooth else ops.maximum(gap, 0.0), one.with_both)
