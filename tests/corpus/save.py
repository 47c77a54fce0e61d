"""Save a model with each loss, as the versions that are installed do it.

    KERAS_BACKEND=jax python tests/corpus/save.py
    KERAS_BACKEND=jax python tests/corpus/save.py --fictional

Not with torch: what Keras saves of its optimizers there, other backends cannot load.

The models of a release are saved once, and never again: every later version has to load them and to
give the same numbers. A loss that is new gets its row here, and its file with the next release.
`tests/bridge/test_corpus.py` sees to that.

The fictional ones are saved by an older version of a plugin that exists in two versions here, and
loaded with the newer one by `tests/bridge/test_migration.py`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from lossplug_core import TrainingModel, combine, get_loss
from lossplug_core.schedules import Adjustable, Linear

FOLDER = Path(__file__).parent
rng = np.random.default_rng(0)
X = rng.normal(size=(8, 4)).round(2)
BINARY = (X[:, :1] > 0).astype(int)
IDS = np.array([0, 1, 2, 0, 1, 2, 0, 0])
ONE_HOT = np.eye(3, dtype=int)[IDS]
VALUES = rng.normal(2, 3, size=(8, 3)).round(2)
TEACHER = rng.normal(size=(8, 3)).round(2)


class Saved(NamedTuple):
    """A model of the corpus: its loss, its target, and how many outputs it has."""

    loss: Callable[[], Any]
    y: Any
    units: int
    trains_loss: bool = False
    outputs: tuple[str, ...] = ()


def network(units: int) -> keras.Model:
    """A small model, of which every file holds the same."""
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)], name="network")


def by_name(id: str, /, **arguments: Any) -> Callable[[], Any]:
    """A loss that is made when it is its turn."""
    return lambda: get_loss(id, **arguments)


MODELS = {
    "focal": Saved(by_name("imbalance/focal", gamma=3, alpha=0.3, from_logits=True), BINARY, 1),
    "categorical_focal": Saved(
        by_name(
            "imbalance/categorical_focal",
            gamma=1.5,
            alpha=(1, 2, 3),
            from_logits=True,
            dtype="float32",
        ),
        IDS,
        3,
    ),
    "weighted_binary_crossentropy": Saved(
        by_name("imbalance/weighted_binary_crossentropy", positive_weight=3.0, from_logits=True),
        BINARY,
        1,
    ),
    "weighted_categorical_crossentropy": Saved(
        by_name(
            "imbalance/weighted_categorical_crossentropy", class_weights=[1, 3, 9], from_logits=True
        ),
        ONE_HOT,
        3,
    ),
    "class_balanced": Saved(
        by_name(
            "imbalance/class_balanced",
            samples_per_class=[900, 90, 10],
            beta=0.9,
            crossentropy="focal",
            gamma=1.0,
            from_logits=True,
        ),
        IDS,
        3,
    ),
    "margin_hinge": Saved(
        by_name("imbalance/margin_hinge", margin=(2.0, 0.5), squared=True), 2 * BINARY - 1, 1
    ),
    "contrastive": Saved(
        by_name("metric-learning/contrastive", margin=2.0, normalize=True), IDS, 3
    ),
    "pair_contrastive": Saved(by_name("metric-learning/pair_contrastive", margin=2.0), BINARY, 1),
    "supcon": Saved(
        by_name(
            "metric-learning/supcon",
            temperature=0.5,
            base_temperature=0.07,
            average="terms",
            reduction="sum",
            name="pulled",
        ),
        IDS,
        3,
    ),
    "triplet_semi_hard": Saved(
        by_name("metric-learning/triplet_semi_hard", margin=0.7, distance="euclidean"), IDS, 3
    ),
    "scaled_squared_error": Saved(by_name("regression/scaled_squared_error", scale=7.0), VALUES, 3),
    "gaussian_nll": Saved(
        by_name("regression/gaussian_nll", epsilon=1e-3, full=True),
        VALUES,
        3,
        outputs=("mean", "variance"),
        trains_loss=True,
    ),
    "precomputed_distillation": Saved(
        by_name("distillation/precomputed_distillation", temperature=4.0, alpha=0.9),
        {"y_true": IDS, "teacher_logits": TEACHER},
        3,
        trains_loss=True,
    ),
    # What losses own: weights, states, networks.
    "arcface": Saved(
        by_name("metric-learning/arcface", num_classes=3, embedding_size=3, margin=0.3, scale=9.0),
        IDS,
        3,
        trains_loss=True,
    ),
    "proxy_anchor": Saved(
        by_name("metric-learning/proxy_anchor", num_classes=3, embedding_size=3, alpha=8.0),
        IDS,
        3,
        trains_loss=True,
    ),
    "cross_batch_memory": Saved(
        by_name(
            "metric-learning/cross_batch_memory",
            embedding_size=3,
            memory_size=6,
            loss={"name": "contrastive", "margin": 0.8},
        ),
        IDS,
        3,
        trains_loss=True,
    ),
    "running_class_balanced": Saved(
        by_name("imbalance/running_class_balanced", num_classes=3, decay=0.5, from_logits=True),
        IDS,
        3,
        trains_loss=True,
    ),
    "normalized_squared_error": Saved(
        by_name("regression/normalized_squared_error", decay=0.7, outputs=3),
        VALUES,
        3,
        trains_loss=True,
    ),
    "distillation": Saved(
        lambda: get_loss("distillation/distillation", teacher=network(3), divergence="kl"),
        IDS,
        3,
        trains_loss=True,
    ),
    "perceptual": Saved(
        lambda: get_loss("distillation/perceptual", extractor=network(2)), X, 4, trains_loss=True
    ),
    # What is made of losses, and what changes in them.
    "combined": Saved(
        lambda: combine(
            {
                "imbalance/focal": {"weight": 0.5, "name": "hard"},
                "mse": 2.0,
                "regression/scaled_squared_error": Adjustable(0.25),
            },
            weighting="ema",
        ),
        BINARY,
        1,
        trains_loss=True,
    ),
    "scheduled": Saved(
        by_name("imbalance/focal", gamma=Linear(4.0, 0.0, steps=8), from_logits=True),
        BINARY,
        1,
        trains_loss=True,
    ),
    "huber_of_keras": Saved(by_name("keras/huber", delta=3.0), VALUES, 3),
}

# Losses of embeddings, with parts of many kinds among them.
OF_EMBEDDINGS: dict[str, dict[str, Any]] = {
    "angular": {"angle": 0.6},
    "circle": {"gamma": 16.0, "mining": {"name": "pair_margin", "positive": 0.1}},
    "fast_ap": {"num_bins": 5, "average": "classes"},
    "generalized_lifted": {"margin": 0.5, "distance": "squared_euclidean"},
    "lifted_structure": {"margin": 0.5, "regularizer": {"name": "length", "weight": 0.1}},
    "multi_similarity": {"mining": {"name": "multi_similarity", "epsilon": 0.2}},
    "nca": {"average": "nonzero"},
    "nt_xent": {"temperature": 0.5, "chunk": 3},
    "pn": {"mining": "hard"},
    "ranked_list": {},
    "signal_to_noise": {"regularizer": "zero_mean"},
    "soft_nearest_neighbour": {"temperature": 2.0},
    "triplet_margin": {"triplets": "hard", "smooth": True, "distance": "cosine"},
    "tuplet_margin": {"scale": 8.0},
}
OF_CLASSES: dict[str, dict[str, Any]] = {
    "center": {},
    "cosface": {"scale": 8.0},
    "norm_softmax": {"temperature": 0.5},
    "proxy_nca": {},
    "soft_triple": {"centers_per_class": 2},
    "sphereface": {},
    "subcenter_arcface": {"sub_centers": 2},
}
OF_TWO_OUTPUTS: dict[str, tuple[str, str]] = {
    "info_nce": ("queries", "documents"),
    "n_pairs": ("anchors", "positives"),
    "siglip": ("images", "texts"),
}
for name, parameters in OF_EMBEDDINGS.items():
    MODELS[name] = Saved(by_name(f"metric-learning/{name}", **parameters), IDS, 3)
for name, parameters in OF_CLASSES.items():
    sizes = {"num_classes": 3, "embedding_size": 3}
    loss = by_name(f"metric-learning/{name}", **sizes, **parameters)
    MODELS[name] = Saved(loss, IDS, 3, trains_loss=True)
for name, outputs in OF_TWO_OUTPUTS.items():
    loss = by_name(f"metric-learning/{name}")
    MODELS[name] = Saved(loss, np.arange(8), 3, trains_loss=True, outputs=outputs)
# Losses for rare classes and wrong labels, of logits.
COUNTS = {"samples_per_class": (900, 90, 10)}
OF_ONE_CLASS: dict[str, dict[str, Any]] = {
    "active_passive": {"alpha": 10.0, "from_logits": True},
    "asymmetric_single_label": {"gamma_negative": 2.0, "from_logits": True},
    "balanced_softmax": {**COUNTS, "from_logits": True},
    "bootstrapped_crossentropy": {"beta": 0.7, "from_logits": True},
    "categorical_f_beta": {"beta": 2.0, "from_logits": True},
    "confidence_penalty": {"beta": 0.3, "from_logits": True},
    "cost_sensitive_crossentropy": {
        "costs": [[0, 1, 2], [3, 0, 1], [9, 3, 0]],
        "from_logits": True,
    },
    "forward_correction": {
        "transitions": [[0.8, 0.1, 0.1], [0, 1, 0], [0.2, 0, 0.8]],
        "from_logits": True,
    },
    "generalized_crossentropy": {"q": 0.5, "from_logits": True},
    "ldam": {**COUNTS, "beta": 0.9},
    "logit_adjusted": {"class_priors": (0.9, 0.09, 0.01), "tau": 0.5, "from_logits": True},
    "multiclass_margin_hinge": {"margin": (1, 2, 4)},
    "poly1_crossentropy": {"epsilon": 2.0, "from_logits": True},
    "smoothed_crossentropy": {"smoothing": 0.2, "from_logits": True},
    "symmetric_crossentropy": {"beta": 0.5, "from_logits": True},
    "vector_scaling": {**COUNTS, "gamma": 0.2},
}
OF_YES_OR_NO: dict[str, dict[str, Any]] = {
    "asymmetric": {"clip": 0.1, "from_logits": True},
    "binary_logit_adjusted": {"positive_prior": 0.1, "from_logits": True},
    "pairwise_auc": {"surrogate": "hinge", "margin": 2.0},
    "poly1_focal": {"epsilon": -0.5, "from_logits": True},
    "reduced_focal": {"threshold": 0.6, "from_logits": True},
    "smooth_average_precision": {"temperature": 0.5},
    "smoothed_binary_crossentropy": {"smoothing": 0.2, "from_logits": True},
    "soft_f_beta": {"beta": 2.0, "from_logits": True},
    "soft_mcc": {"from_logits": True},
}
WITH_STATES: dict[str, dict[str, Any]] = {
    "equalization": {"num_classes": 3, "from_logits": True},
    "seesaw": {"num_classes": 3, "from_logits": True},
}
for name, parameters in OF_ONE_CLASS.items():
    MODELS[name] = Saved(by_name(f"imbalance/{name}", **parameters), IDS, 3)
for name, parameters in OF_YES_OR_NO.items():
    MODELS[name] = Saved(by_name(f"imbalance/{name}", **parameters), BINARY, 1)
for name, parameters in WITH_STATES.items():
    MODELS[name] = Saved(by_name(f"imbalance/{name}", **parameters), IDS, 3, trains_loss=True)
MODELS["ghm"] = Saved(
    by_name("imbalance/ghm", bins=5, momentum=0.75, from_logits=True), BINARY, 1, trains_loss=True
)
MODELS["early_learning_regularisation"] = Saved(
    by_name(
        "imbalance/early_learning_regularisation",
        num_samples=8,
        num_classes=3,
        from_logits=True,
    ),
    {"y_true": IDS, "index": np.arange(8)},
    3,
    trains_loss=True,
)
MODELS["jsd"] = Saved(
    by_name("imbalance/jsd", from_logits=True),
    IDS,
    3,
    trains_loss=True,
    outputs=("clean", "augmented_1", "augmented_2"),
)
MODELS["margin"] = Saved(
    by_name("metric-learning/margin", mining="distance_weighted"), IDS, 3, trains_loss=True
)
MODELS["remembered_pairs"] = Saved(
    by_name(
        "metric-learning/cross_batch_memory",
        embedding_size=3,
        memory_size=6,
        loss={"name": "nt_xent", "temperature": 0.2, "mining": "semi_hard"},
    ),
    IDS,
    3,
    trains_loss=True,
)


FICTIONAL = {
    "a_renamed_parameter": Saved(by_name("fictional/powered", focus=3.0), VALUES, 3),
    "a_renamed_loss": Saved(
        by_name("fictional/centred_error", scale=2.0), VALUES, 3, trains_loss=True
    ),
    "a_new_formula": Saved(by_name("fictional/squared"), VALUES, 3),
    "a_loss_that_moved": Saved(by_name("former/shifted", by=0.5), VALUES, 3),
    "one_loss_twice": Saved(
        lambda: combine(
            [get_loss("fictional/powered", focus=2.0), get_loss("fictional/powered", focus=2.0)]
        ),
        VALUES,
        3,
    ),
    "one_loss_for_two_outputs": Saved(
        lambda: {name: get_loss("fictional/powered", focus=2.0) for name in ("a", "b")},
        {"a": VALUES, "b": VALUES},
        3,
        outputs=("a", "b"),
    ),
}


def install_fictional(folder: Path) -> None:
    """The older version of the fictional plugin, and the one that had one of its losses."""
    shutil.copy(FOLDER / "fictional" / "older.py", folder / "fictional_older.py")
    losses = {"fictional": ("powered", "centred_error", "squared"), "former": ("shifted",)}
    for namespace, names in losses.items():
        info = folder / f"lossplug_{namespace}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: lossplug-{namespace}\nVersion: 1.0\n"
        )
        lines = [f"{name} = fictional_older:{name}" for name in names]
        (info / "entry_points.txt").write_text("\n".join(["[lossplug.losses]", *lines]) + "\n")
    sys.path.insert(0, str(folder))


def model_of(saved: Saved) -> keras.Model:
    """The model, trained for two steps."""
    keras.utils.set_random_seed(0)
    if saved.outputs:
        inputs = keras.Input((4,))
        activations = {"variance": "softplus"}
        model = keras.Model(
            inputs,
            {
                name: keras.layers.Dense(saved.units, activations.get(name), name=name)(inputs)
                for name in saved.outputs
            },
        )
    else:
        model = network(saved.units)
    if saved.trains_loss:
        model = TrainingModel(model)
    model.compile(keras.optimizers.SGD(0.01), loss=saved.loss())
    model.fit(X, arrays(saved.y), batch_size=4, shuffle=False, verbose=0)
    return model


def arrays(y: Any) -> Any:
    """Targets as `fit` takes them; JSON has lists."""
    return {name: np.array(y[name]) for name in y} if isinstance(y, dict) else np.array(y)


def plain(y: Any) -> Any:
    """Targets as JSON can hold them."""
    return {name: y[name].tolist() for name in y} if isinstance(y, dict) else y.tolist()


def save(folder: Path, models: dict[str, Saved]) -> None:
    """Write the models that are not there yet, and the numbers that they must give."""
    missing = [name for name in models if not (folder / f"{name}.keras").exists()]
    if not missing:
        sys.exit(f"{folder} has them all: what was saved once stays as it is.")
    folder.mkdir(parents=True, exist_ok=True)
    numbers = folder / "expected.json"
    document = json.loads(numbers.read_text()) if numbers.exists() else {"x": X.tolist()}
    expected = document.setdefault("models", {})
    for name in missing:
        saved, path = models[name], folder / f"{name}.keras"
        model = model_of(saved)
        value = model.evaluate(X, arrays(saved.y), batch_size=4, verbose=0, return_dict=True)
        expected[name] = {"y": plain(saved.y), "loss": float(value["loss"])}
        model.save(path)
        compress(path)
        numbers.write_text(json.dumps(document, indent=1) + "\n")


def compress(path: Path) -> None:
    """Pack an archive again: most of what Keras writes of so small a model is zeros."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def main() -> None:
    """Save those of the installed version, or the fictional ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER / version("lossplug-core"))
    parser.add_argument("--fictional", action="store_true")
    options = parser.parse_args()
    if options.fictional:
        with tempfile.TemporaryDirectory() as folder:
            install_fictional(Path(folder))
            save(FOLDER / "fictional", FICTIONAL)
    else:
        save(options.folder, MODELS)


if __name__ == "__main__":
    main()
