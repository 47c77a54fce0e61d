"""Policy and audit."""

import json

import pytest

import lossplug_core
from lossplug_core import ForbiddenLossError, get_loss


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """Not in the folder of a project, which has a catalogue of its own."""
    monkeypatch.setenv("LOSSPLUG_CATALOG", "")
    lossplug_core.refresh()


REFUSED = {
    "imbalance/ldam": "it has no review, which production needs",
    "asl": "its review by L. Brandt held until 2025-12-31",
    "rare-finding-margin": "it has no review, which production needs",
}


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_production_needs_a_review(name, reason, monkeypatch):
    monkeypatch.setenv("LINDENHOF_STAGE", "production")
    with pytest.raises(ForbiddenLossError, match=reason):
        get_loss(name)


@pytest.mark.parametrize("name", ["rare-finding", "clinical-risk", "mse"])
def test_what_is_reviewed_ours_or_keras_may_be_used(name, monkeypatch):
    monkeypatch.setenv("LINDENHOF_STAGE", "production")
    get_loss(name)


def test_research_may_try():
    get_loss("asl")


def test_the_audit_has_a_line_for_each_loss(monkeypatch, tmp_path):
    file = tmp_path / "audit.jsonl"
    monkeypatch.setenv("LINDENHOF_AUDIT", str(file))
    get_loss("clinical-risk")
    with pytest.raises(ForbiddenLossError):
        get_loss("imbalance/ghm")
    built, vetoed = map(json.loads, file.read_text().splitlines())
    assert (built["kind"], built["preset"]) == ("built", "clinical-risk")
    assert (vetoed["kind"], vetoed["id"]) == ("vetoed", "imbalance/ghm")
    assert "does not allow it" in vetoed["reason"]
    assert built["by"]
    assert built["at"]
