"""Where a score becomes a decision."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossplug_core import DataError, ParameterError
from lossplug_imbalance.thresholds import (
    OperatingPoint,
    best_threshold,
    cost_threshold,
    least_costly,
    threshold_at,
)

law = settings(max_examples=50, deadline=None)
# Few distinct scores, so that many are equal.
samples = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.9])), min_size=1, max_size=12
).filter(lambda pairs: any(truth for truth, _ in pairs))


def every_point(pairs):
    """Each threshold with its precision and recall, counted one by one."""
    for threshold in sorted({score for _, score in pairs}):
        found = [truth for truth, score in pairs if score >= threshold]
        yield OperatingPoint(
            threshold, sum(found) / len(found), sum(found) / sum(truth for truth, _ in pairs)
        )


@law
@given(pairs=samples, beta=st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_no_threshold_has_a_better_f(pairs, beta):
    best = best_threshold(*zip(*pairs, strict=True), beta=beta)
    assert best in list(every_point(pairs))
    assert best.f_score(beta) == max(point.f_score(beta) for point in every_point(pairs))


@law
@given(pairs=samples, least=st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]))
def test_no_threshold_has_more_of_what_is_free(pairs, least):
    y_true, y_score = zip(*pairs, strict=True)
    points = list(every_point(pairs))
    at_recall = threshold_at(y_true, y_score, recall=least)
    assert at_recall.recall >= least
    assert at_recall.precision == max(p.precision for p in points if p.recall >= least)
    if max(point.precision for point in points) >= least:
        at_precision = threshold_at(y_true, y_score, precision=least)
        assert at_precision.precision >= least
        assert at_precision.recall == max(p.recall for p in points if p.precision >= least)
    else:
        with pytest.raises(DataError, match="No threshold has a precision"):
            threshold_at(y_true, y_score, precision=least)


def test_a_weight_counts_a_sample_that_often():
    random = np.random.default_rng(0)
    y_true, y_score = random.integers(0, 2, 40), random.random(40)
    often = random.integers(0, 4, 40)
    repeated = np.repeat(y_true, often), np.repeat(y_score, often)
    assert best_threshold(y_true, y_score, sample_weight=often) == best_threshold(*repeated)
    found = threshold_at(y_true, y_score, recall=0.5, sample_weight=often)
    assert found == threshold_at(*repeated, recall=0.5)


@law
@given(
    p=st.floats(0, 1),
    alarm=st.floats(0.1, 10),
    miss=st.floats(0.1, 10),
    hit=st.floats(-5, 0),
    rest=st.floats(-5, 0),
)
def test_decisions_at_the_threshold_cost_least(p, alarm, miss, hit, rest):
    threshold = cost_threshold(
        false_positive=alarm, false_negative=miss, true_positive=hit, true_negative=rest
    )
    say_yes, say_no = p * hit + (1 - p) * alarm, p * miss + (1 - p) * rest
    if abs(p - threshold) > 1e-9:
        assert (p >= threshold) == (say_yes <= say_no)
        assert least_costly([[1 - p, p]], [[rest, alarm], [miss, hit]])[0] == (p >= threshold)


def test_a_decision_that_is_no_class():
    """To ask a person costs 1, whatever is true."""
    costs = [[0, 5, 1], [5, 0, 1]]
    assert least_costly([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]], costs).tolist() == [0, 2, 1]


def test_a_million_scores_are_sorted_once():
    random = np.random.default_rng(0)
    y_true = random.random(1_000_000) < 0.01
    best = best_threshold(y_true, random.normal(size=1_000_000) + 3 * y_true)
    assert 0.6 < best.f_score() < 0.7


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (DataError, lambda: best_threshold([0, 0], [0.1, 0.2])),
        (DataError, lambda: best_threshold([], [])),
        (DataError, lambda: best_threshold([0, 1, 1], [0.1, 0.2])),
        (DataError, lambda: best_threshold([0, 1], [0.1, float("nan")])),
        (DataError, lambda: least_costly([[0.5, 0.5]], [[1.0, 2.0]])),
        (ParameterError, lambda: threshold_at([0, 1], [0.1, 0.2])),
        (ParameterError, lambda: threshold_at([0, 1], [0.1, 0.2], precision=0.5, recall=0.5)),
        (ParameterError, lambda: threshold_at([0, 1], [0.1, 0.2], recall=1.5)),
        (ParameterError, lambda: cost_threshold(false_positive=0.0, false_negative=1.0)),
        (ParameterError, lambda: cost_threshold(false_positive=1.0, false_negative=0.0)),
    ],
)
def test_what_does_not_fit_is_refused(error, call):
    with pytest.raises(error):
        call()
