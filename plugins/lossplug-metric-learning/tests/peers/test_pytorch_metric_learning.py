"""Agreement with pytorch-metric-learning, as far as the definitions agree."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from lossplug_core.bridge.autodiff import value_and_gradient
from lossplug_core.params import validate
from lossplug_core.spec import spec_of
from lossplug_metric_learning import (
    arcface,
    contrastive,
    cross_batch_memory,
    proxy_anchor,
    supcon,
    triplet_semi_hard,
)

pytest.importorskip("pytorch_metric_learning")

import torch
from pytorch_metric_learning import losses
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.reducers import DoNothingReducer

SIZES = [(8, 3, 3), (33, 16, 5), (64, 32, 40)]  # samples, features, classes


def batch(samples, features, classes):
    random = np.random.default_rng(samples)
    labels = random.integers(0, classes, samples)
    return labels.astype("int32"), random.normal(size=(samples, features)).astype("float32")


def ours(loss, y_true, y_pred, **parameters):
    complete = validate(spec_of(loss), parameters)
    return value_and_gradient(lambda x: loss(y_true, x, **complete), y_pred)


def theirs(loss, y_true, y_pred, total, **arguments):
    """Values in float64, and the gradient of what `total` makes of them."""
    x = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
    values = loss(x, torch.tensor(y_true), **arguments)
    total(values).backward()
    return values, x.grad.numpy()


def same(received, expected):
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_supcon(sizes, temperature):
    y_true, y_pred = batch(*sizes)
    values, gradient = ours(supcon, y_true, y_pred, temperature=temperature)
    peer = losses.SupConLoss(temperature, reducer=DoNothingReducer())
    expected, slope = theirs(peer, y_true, y_pred, lambda x: x["loss"]["losses"].sum())
    same(values, expected["loss"]["losses"].detach().numpy())
    same(gradient, slope)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_convention_has_their_mean(sizes):
    y_true, y_pred = batch(*sizes)
    convention = spec_of(supcon).conventions["pytorch-metric-learning"]
    values, gradient = ours(supcon, y_true, y_pred, **convention)
    expected, slope = theirs(losses.SupConLoss(), y_true, y_pred, lambda x: x)
    same(values.mean(), expected.item())
    same(gradient / len(values), slope)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("normalize", [False, True])
def test_contrastive_is_the_mean_square_of_their_pairs(sizes, normalize):
    y_true, y_pred = batch(*sizes)
    margin = 1.2 if normalize else 4.0
    pairs = len(y_true) * (len(y_true) - 1)

    def mean_square(parts):
        squares = [part["losses"].square().sum() for part in parts.values()]
        return sum(squares) / pairs

    values, gradient = ours(contrastive, y_true, y_pred, margin=margin, normalize=normalize)
    peer = losses.ContrastiveLoss(
        neg_margin=margin,
        distance=LpDistance(normalize_embeddings=normalize),
        reducer=DoNothingReducer(),
    )
    expected, slope = theirs(peer, y_true, y_pred, mean_square)
    same(values.mean(), mean_square(expected).item())
    same(gradient / len(values), slope)


def semi_hard(y_true, distances):
    """Anchor, positive and negative of every triplet, searched one by one."""
    triplets = []
    for a, p in np.argwhere(y_true[:, None] == y_true):
        negatives = np.flatnonzero(y_true != y_true[a])
        if a != p and len(negatives):
            to = distances[a, negatives]
            beyond = np.where(to > distances[a, p], to, np.inf)
            chosen = beyond.argmin() if np.isfinite(beyond).any() else to.argmax()
            triplets.append((a, p, negatives[chosen]))
    return np.array(triplets).T


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("power", [1, 2])
def test_triplet_is_their_mean_over_semi_hard_triplets(sizes, power):
    y_true, y_pred = batch(*sizes)
    unit = y_pred / np.linalg.norm(y_pred, axis=1, keepdims=True)
    chosen = semi_hard(y_true, np.linalg.norm(unit[:, None] - unit, axis=2))
    peer = losses.TripletMarginLoss(
        margin=0.3, distance=LpDistance(power=power), reducer=DoNothingReducer()
    )
    expected, slope = theirs(
        peer,
        y_true,
        y_pred,
        lambda x: x["loss"]["losses"].mean(),
        indices_tuple=tuple(map(torch.tensor, chosen)),
    )
    values, gradient = ours(
        triplet_semi_hard,
        y_true,
        y_pred,
        margin=0.3,
        distance="euclidean" if power == 1 else "squared_euclidean",
        average="terms",
    )
    same(values.mean(), expected["loss"]["losses"].mean().item())
    same(gradient / len(values), slope)


VECTORS = {arcface: "prototypes", proxy_anchor: "proxies"}


def same_with_class_vectors(loss, peer, y_true, y_pred, vectors, **parameters):
    """Mean, and gradients in the embeddings and in the vectors."""
    sizes = {"num_classes": len(vectors), "embedding_size": vectors.shape[1]}
    complete = validate(spec_of(loss), {**sizes, **parameters})

    def mean(y_pred, vectors):
        return loss(y_true, y_pred, weights={VECTORS[loss]: vectors}, **complete) / len(y_true)

    values, slope = value_and_gradient(lambda x: mean(x, vectors), y_pred)
    _, slope_in_vectors = value_and_gradient(lambda x: mean(y_pred, x), vectors)

    held, turned = (peer.W, vectors.T) if loss is arcface else (peer.proxies, vectors)
    held.data = torch.tensor(turned, dtype=torch.float64)
    expected, expected_slope = theirs(peer, y_true.astype("int64"), y_pred, lambda x: x)
    same(values.sum(), expected.item())
    same(slope, expected_slope)
    same(slope_in_vectors.T if loss is arcface else slope_in_vectors, held.grad.numpy())


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("degrees", [None, 10.0, 90.0])
def test_arcface(sizes, degrees):
    """Among them embeddings beyond pi, where the convention takes their way."""
    _, features, classes = sizes
    y_true, y_pred = batch(*sizes)
    vectors = np.random.default_rng(1).normal(size=(classes, features)).astype("float32")
    convention = dict(spec_of(arcface).conventions["pytorch-metric-learning"])
    chosen = {} if degrees is None else {"margin": degrees}
    if degrees is not None:
        convention["margin"] = np.radians(degrees)
    peer = losses.ArcFaceLoss(classes, features, **chosen)
    same_with_class_vectors(arcface, peer, y_true, y_pred, vectors, **convention)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("chosen", [{}, {"margin": 0.4, "alpha": 5.0}], ids=str)
def test_proxy_anchor(sizes, chosen):
    _, features, classes = sizes
    y_true, y_pred = batch(*sizes)
    vectors = np.random.default_rng(1).normal(size=(classes, features)).astype("float32")
    peer = losses.ProxyAnchorLoss(classes, features, **chosen)
    same_with_class_vectors(proxy_anchor, peer, y_true, y_pred, vectors, **chosen)


def semi_hard_with_memory(embeddings, labels, references, reference_labels):
    """What their memory asks a miner for: here, the triplets of this plugin's definition.

    An anchor is compared with itself as well, and the memory takes these triplets out again.
    """
    unit = [z / z.norm(dim=1, keepdim=True) for z in (embeddings.detach(), references)]
    distances = torch.cdist(*unit, compute_mode="donot_use_mm_for_euclid_dist")
    triplets = []
    for a, p in torch.nonzero(labels[:, None] == reference_labels).tolist():
        negatives = torch.nonzero(reference_labels != labels[a])[:, 0]
        if len(negatives):
            to = distances[a, negatives]
            beyond = to > distances[a, p]
            to = torch.where(beyond, to, torch.inf) if beyond.any() else -to
            triplets.append((a, p, int(negatives[to.argmin()])))
    return tuple(torch.tensor(triplets).T)


def mean_over_anchors(anchors, costs, size):
    """What each anchor's pairs or triplets cost on average, 0 where it has none."""
    total = torch.zeros(size, dtype=costs.dtype).index_add(0, anchors, costs)
    count = torch.bincount(anchors, minlength=size)
    return total / count.clamp(min=1)


def of_contrastive(parts, size):
    parts = list(parts.values())
    return mean_over_anchors(
        torch.cat([part["indices"][0] for part in parts]),
        torch.cat([part["losses"].square() for part in parts]),
        size,
    )


REMEMBERED = {
    "contrastive": (losses.ContrastiveLoss(distance=LpDistance()), None, of_contrastive),
    "supcon": (losses.SupConLoss(), None, lambda parts, size: parts["loss"]["losses"]),
    "triplet_semi_hard": (
        losses.TripletMarginLoss(margin=0.2, distance=LpDistance(power=2)),
        semi_hard_with_memory,
        lambda x, n: mean_over_anchors(x["loss"]["indices"][0], x["loss"]["losses"], n),
    ),
}


@pytest.mark.parametrize("name", REMEMBERED)
@pytest.mark.parametrize("memory_size", [16, 40, 200])
def test_cross_batch_memory(name, memory_size):
    """Over several batches of several sizes, in which the memory fills and wraps around.

    None is of size 1, for which theirs compares the sample with itself.
    """
    random = np.random.default_rng(memory_size)
    inner, miner, values_of = REMEMBERED[name]
    inner.reducer = DoNothingReducer()
    peer = losses.CrossBatchMemory(inner, 5, memory_size, miner)
    declared = spec_of(cross_batch_memory).weights(memory_size, 5)
    memory = {key: np.zeros(w.shape, w.dtype) for key, w in declared.items()}
    chosen = {"loss": name, "memory_size": memory_size, "embedding_size": 5}
    complete = validate(spec_of(cross_batch_memory), chosen)

    for size in (16, 16, 7, 16, 2, 16, 12):
        y_true = random.integers(0, 4, size).astype("int32")
        y_pred = random.normal(size=(size, 5)).astype("float32")

        def values(x, y_true=y_true, memory=memory):
            return cross_batch_memory(y_true, x, weights=memory, **complete)[0]

        received, slope = value_and_gradient(values, y_pred)
        x = torch.tensor(y_pred, dtype=torch.float64, requires_grad=True)
        expected = values_of(peer(x, torch.tensor(y_true.astype("int64"))), size)
        (expected_slope,) = torch.autograd.grad(expected.sum(), x)
        same(received, expected.detach().numpy())
        same(slope, expected_slope.numpy())

        _, kept = cross_batch_memory(y_true, y_pred, weights=memory, **complete)
        memory = {key: keras.ops.convert_to_numpy(value) for key, value in kept.items()}
        np.testing.assert_array_equal(memory["labels"], peer.label_memory.numpy())
        assert memory["position"] == peer.queue_idx
