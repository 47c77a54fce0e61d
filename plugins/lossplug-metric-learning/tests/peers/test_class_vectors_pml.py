"""Agreement with pytorch-metric-learning of losses that own vectors of the classes.

Values, and gradients in the embeddings and in the vectors, on random and on degenerate batches.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_metric_learning import (
    arcface,
    cosface,
    norm_softmax,
    proxy_nca,
    soft_triple,
    sphereface,
    subcenter_arcface,
)

pytest.importorskip("pytorch_metric_learning")

import torch
from pytorch_metric_learning import losses

PEER = "pytorch-metric-learning"


def flat(vectors):
    """Theirs have one axis for classes and for the vectors of each."""
    return vectors.reshape(-1, vectors.shape[-1])


class Pair(NamedTuple):
    """A loss and its peer, with the parameters that make them agree."""

    loss: object
    peer: type
    ours: dict
    theirs: dict
    names: tuple[str, str] = ("prototypes", "W")
    columns: bool = True
    several: tuple[int, ...] = ()

    def __str__(self):
        return "-".join([self.loss.__name__, *map(str, self.theirs.values())])


def convention(loss, **parameters):
    return {**spec_of(loss).conventions.get(PEER, {}), **parameters}


PAIRS = [
    Pair(arcface, losses.ArcFaceLoss, convention(arcface), {}),
    Pair(cosface, losses.CosFaceLoss, convention(cosface), {}),
    Pair(
        cosface,
        losses.CosFaceLoss,
        {"margin": 0.7, "scale": 9.0},
        {"margin": 0.7, "scale": 9.0},
    ),
    Pair(norm_softmax, losses.NormalizedSoftmaxLoss, {}, {}),
    Pair(norm_softmax, losses.NormalizedSoftmaxLoss, {"temperature": 0.4}, {"temperature": 0.4}),
    Pair(sphereface, losses.SphereFaceLoss, {}, {}),
    *(Pair(sphereface, losses.SphereFaceLoss, {"margin": m}, {"margin": m}) for m in (1, 2, 3, 6)),
    Pair(sphereface, losses.SphereFaceLoss, {"scale": 5.0}, {"scale": 5.0}),
    Pair(
        subcenter_arcface,
        losses.SubCenterArcFaceLoss,
        convention(subcenter_arcface),
        {},
        several=(3,),
    ),
    Pair(
        subcenter_arcface,
        losses.SubCenterArcFaceLoss,
        convention(subcenter_arcface, margin=math.radians(80), scale=8.0, sub_centers=2),
        {"margin": 80, "scale": 8.0, "sub_centers": 2},
        several=(2,),
    ),
    Pair(
        proxy_nca,
        losses.ProxyNCALoss,
        convention(proxy_nca),
        {},
        names=("proxies", "proxies"),
        columns=False,
    ),
    Pair(
        proxy_nca,
        losses.ProxyNCALoss,
        {**spec_of(proxy_nca).conventions["proxynca_pp"]},
        {"softmax_scale": 9.0},
        names=("proxies", "proxies"),
        columns=False,
    ),
    Pair(
        soft_triple,
        losses.SoftTripleLoss,
        convention(soft_triple),
        {},
        names=("centers", "fc"),
        several=(10,),
    ),
    Pair(
        soft_triple,
        losses.SoftTripleLoss,
        convention(soft_triple, centers_per_class=2, scale=5.0, gamma=0.6, margin=0.3),
        {"centers_per_class": 2, "la": 5.0, "gamma": 0.6, "margin": 0.3},
        names=("centers", "fc"),
        several=(2,),
    ),
]


BATCHES = {
    "small": (8, 3, 3),
    "medium": (33, 16, 5),
    "large": (64, 32, 40),
    "one-sample": (1, 4, 3),
    "one-class-in-all": (6, 4, 1),
}


def batch(name, several):
    samples, features, classes = BATCHES.get(name, (9, 4, 3))
    generator = np.random.default_rng(samples)
    y_true = generator.integers(0, classes, samples)
    y_pred = generator.normal(size=(samples, features)).astype("float32")
    vectors = generator.normal(size=(classes, *several, features)).astype("float32")
    if name == "one-class":
        y_true[:] = 1
    if name == "equal-embeddings":
        y_pred[:] = y_pred[0]
    return y_true, y_pred, vectors


def ours(pair, y_true, y_pred, vectors):
    sizes = {"num_classes": len(vectors), "embedding_size": vectors.shape[-1]}
    complete = validate(spec_of(pair.loss), {**sizes, **pair.ours})
    name = pair.names[0]

    def values(y_pred, vectors):
        return pair.loss(y_true.astype("int32"), y_pred, weights={name: vectors}, **complete)

    received, slope = value_and_gradient(lambda x: values(x, vectors), y_pred)
    _, slope_in_vectors = value_and_gradient(lambda x: values(y_pred, x), vectors)
    return received, slope, slope_in_vectors


def theirs(pair, y_true, y_pred, vectors):
    """In float64; the values, one sample at a time, are means over one."""
    rows = flat(vectors)
    sizes = {"num_classes": len(vectors), "embedding_size": vectors.shape[-1]}
    peer = pair.peer(**sizes, **pair.theirs)
    held = getattr(peer, pair.names[1])
    held.data = torch.tensor(rows.T if pair.columns else rows, dtype=torch.float64)
    x = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor(y_true)
    values = torch.stack([peer(x[i : i + 1], labels[i : i + 1]) for i in range(len(x))])
    # The sum of the values is the mean of the batch, as often as it has samples.
    total = peer(x, labels) * len(x)
    total.backward()
    slope = held.grad.numpy()
    slope = (slope.T if pair.columns else slope).reshape(vectors.shape)
    np.testing.assert_allclose(total.item(), values.sum().item(), rtol=1e-9)
    return values.detach().numpy(), x.grad.numpy(), slope


@pytest.mark.parametrize("name", [*BATCHES, "one-class", "equal-embeddings"])
@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_values_and_gradients(pair, name):
    data = batch(name, pair.several)
    for received, expected in zip(ours(pair, *data), theirs(pair, *data), strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=2e-5)
