"""What installed metadata says, also where it is malformed."""

import shutil
import sys

import pytest

import lossplug_core
from lossplug_core._app import registry
from lossplug_core.discovery import scan


def ids(namespace: str) -> list[str]:
    return lossplug_core.list_losses(namespace=namespace)


def kinds() -> dict[str, str]:
    return {finding.subject: finding.kind for finding in registry.findings()}


def test_a_distribution_brings_its_losses(site) -> None:
    site.install("lossplug-fake", "one", "two")
    assert ids("fake") == ["fake/one", "fake/two"]


def test_looking_imports_nothing(site) -> None:
    site.install("lossplug-fake", "one")
    registry.resolve("fake/one")
    assert "lossplug_fake_losses" not in sys.modules


@pytest.mark.parametrize("name", ["Lossplug_Fake", "lossplug.fake", "LOSSPLUG-FAKE"])
def test_spellings_of_a_distribution_are_one_namespace(site, name) -> None:
    site.install(name, "one")
    assert ids("fake") == ["fake/one"]


def test_entry_points_with_one_target_are_one_loss_with_aliases(site) -> None:
    site.install(
        "lossplug-fake",
        "one",
        entry_points="""\
            [lossplug.losses]
            another = lossplug_fake_losses:one
            one = lossplug_fake_losses:one
            """,
    )
    assert ids("fake") == ["fake/one"]
    assert lossplug_core.find_spec("fake/Another").id == "fake/one"


def test_two_targets_of_one_name_are_a_finding_and_do_not_depend_on_order(site) -> None:
    site.install(
        "lossplug-fake",
        "one",
        "two",
        entry_points="""\
            [lossplug.losses]
            One = lossplug_fake_losses:two
            one = lossplug_fake_losses:one
            """,
    )
    assert ids("fake") == ["fake/One"]
    assert kinds()["lossplug-fake"] == "clash-in-distribution"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("bad = no_colon", "malformed-entry-point"),
        ("bad = import os; os:system", "malformed-entry-point"),
        ("a/b = module:name", "malformed-entry-point"),
        ("--- = module:name", "malformed-entry-point"),
        ("[never closed", "malformed-metadata"),
        ("no equals sign", "malformed-metadata"),
    ],
)
def test_malformed_entry_points_are_a_finding_and_cost_nobody_else(site, line, kind) -> None:
    site.install("lossplug-bad", entry_points=f"[lossplug.losses]\n{line}\n")
    site.install("lossplug-fake", "one")
    assert ids("fake") == ["fake/one"]
    assert ids("bad") == []
    assert kinds()["lossplug-bad"] == kind


def test_a_distribution_without_a_name_is_a_finding_and_hides_nobody(site) -> None:
    site.install("lossplug-fake", "one", version="0.9", metadata="")
    site.install("lossplug-fake", "one", version="1.0")
    assert ids("fake") == ["fake/one"]
    assert "malformed-metadata" in kinds().values()


def test_the_first_of_two_distributions_of_one_name_counts(site, tmp_path, monkeypatch) -> None:
    site.install("lossplug-fake", "old", version="1.0")
    first = tmp_path / "first"
    first.mkdir()
    monkeypatch.syspath_prepend(str(first))
    site.folder = first
    site.install("lossplug-fake", "new", version="2.0")
    assert ids("fake") == ["fake/new"]
    assert kinds()["lossplug-fake"] == "duplicate-distribution"


def test_a_folder_that_is_twice_on_the_path_is_no_finding(site, monkeypatch) -> None:
    site.install("lossplug-fake", "one")
    monkeypatch.setattr(sys, "path", [*sys.path, str(site.folder)])
    lossplug_core.refresh()
    assert ids("fake") == ["fake/one"]
    assert "lossplug-fake" not in kinds()


@pytest.mark.parametrize("name", ["lossplug-keras", "keras"])
def test_nobody_can_take_the_namespace_of_keras(site, name) -> None:
    site.install(name, "mse")
    assert registry.resolve("keras/mse").winner.id == "keras/mean_squared_error"
    assert kinds()[name] == "reserved-namespace"


def test_a_foreign_distribution_that_is_malformed_is_no_concern(site) -> None:
    site.install("elsewhere", entry_points="[console_scripts\nbroken")
    assert "elsewhere" not in kinds()


def test_a_zip_file_on_the_path_is_looked_into(site, monkeypatch) -> None:
    site.install("lossplug-fake", "one")
    archive = shutil.make_archive(str(site.folder.parent / "zipped"), "zip", site.folder)
    monkeypatch.setattr(sys, "path", [archive, *(p for p in sys.path if p != str(site.folder))])
    lossplug_core.refresh()
    assert lossplug_core.find_spec("fake/one").provider.version == "1.0"


def test_distributions_can_be_given() -> None:
    assert scan([]).losses == []
