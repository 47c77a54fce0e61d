"""Spellings that are one name, and names that are one namespace."""

import pytest

from lossplug_core.names import key, namespace_of, split


@pytest.mark.parametrize(
    "spellings",
    [
        ("focal", "Focal", "FocalLoss", "focal_loss", "focal-loss", "FOCAL"),
        ("sup_con", "SupCon", "supcon", "SupConLoss"),
        ("mean_squared_error", "MeanSquaredError", "mean-squared-error"),
        ("loss", "Loss"),
    ],
)
def test_spellings_of_one_name_are_equal(spellings: tuple[str, ...]) -> None:
    assert len({key(name) for name in spellings}) == 1


def test_different_names_stay_different() -> None:
    assert len({key(name) for name in ("focal", "categorical_focal", "focal2", "loss")}) == 4


@pytest.mark.parametrize(
    ("distribution", "namespace"),
    [
        ("lossplug-imbalance", "imbalance"),
        ("Lossplug_Metric.Learning", "metric-learning"),
        ("acme-losses", "acme-losses"),
        ("lossplug-", "lossplug-"),
    ],
)
def test_a_namespace_is_the_distribution_without_its_prefix(
    distribution: str, namespace: str
) -> None:
    assert namespace_of(distribution) == namespace


@pytest.mark.parametrize(
    ("identifier", "parts"),
    [
        ("focal", (None, "focal")),
        ("imbalance/focal", ("imbalance", "focal")),
        ("Metric_Learning/SupCon", ("metric-learning", "SupCon")),
        (" imbalance/focal ", ("imbalance", "focal")),
        ("/focal", ("", "focal")),
    ],
)
def test_an_identifier_has_a_namespace_or_not(
    identifier: str, parts: tuple[str | None, str]
) -> None:
    assert split(identifier) == parts
