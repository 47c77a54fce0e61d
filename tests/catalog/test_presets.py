"""Presets: losses under an organisation's own names."""

from __future__ import annotations

import inspect
import pickle
import warnings

import pytest

import lossplug_core
from lossplug_core import (
    CatalogError,
    ConfigError,
    DeprecatedLossWarning,
    ForbiddenLossError,
    IdentifierError,
    LossNotInstalledError,
    LossplugError,
    ParameterError,
    UnknownLossError,
    find_spec,
)
from lossplug_core._app import registry

MEAN = "sum_over_batch_size"

CATALOGUE = """
[presets.usual]
loss = "one"
params = {scale = 2.0}
version = 3

[presets.outer]
loss = "Usual"
params = {scale = 3.0}
reduction = "sum"

[presets.plain]
loss = "outer"
status = "experimental"

[presets.table]
loss = {name = "usual", params = {scale = 4.0}, reduction = "none"}

[presets.all]
loss = {name = "known", convention = "other", dtype = "float16", global_batch = true}

[presets.own]
loss = "mse"

[presets.two]
loss = "fake/one"

[presets.both]
loss = {combine = [{loss = "usual", weight = 0.5}, {loss = "both_inner"}, {loss = "mse"}]}
version = 2

[presets.both_inner]
loss = {combine = [{loss = "fake/two", weight = 2.0}]}

[presets.old]
loss = "usual"
status = "deprecated"
replaced_by = "outer"
until = 2031-12-24

[presets.a]
loss = "b"
[presets.b]
loss = "c"
[presets.c]
loss = "B"
[presets.mae]
loss = "mae"
[presets.around]
loss = {combine = [{loss = "round"}]}
[presets.round]
loss = {combine = [{loss = {name = "around"}}]}

[presets.typo]
loss = "fake/onne"
[presets.unknown]
loss = "a_loss_that_nobody_has"
[presets.elsewhere]
loss = "distant"
[presets.wrong]
loss = "fake/one"
params = {scael = 2.0}
[presets.no-table]
loss = {class_name = "Huber", config = {}}

[index]
acme-far = ["distant"]
"""

KNOWN = """
from lossplug_core import loss

@loss(y_true="values", y_pred="values", conventions={"other": {"scale": 9.0}})
def known(y_true, y_pred, *, scale: float = 1.0):
    '''Known elsewhere too.'''
    return scale * abs(y_true - y_pred)
"""
OF_KNOWN = "[lossplug.losses]\nknown = of_losses:known\n"


@pytest.fixture(autouse=True)
def catalogue(site, tmp_path, monkeypatch):
    """A catalogue in force, and two losses."""
    path = tmp_path / "acme.toml"
    path.write_text(CATALOGUE)
    monkeypatch.setenv("LOSSPLUG_CATALOG", str(path))
    site.install("lossplug-fake", "one", "two")
    return path


@pytest.mark.parametrize("name", ["usual", "Usual", "UsualLoss", "outer", "plain", "table", "two"])
def test_a_preset_stands_for_the_loss_that_it_leads_to(name) -> None:
    assert find_spec(name).id == "fake/one"


def test_a_preset_comes_before_a_loss_of_its_name_and_an_id_stays_what_it_is() -> None:
    resolution = registry.resolve("two")
    assert resolution.winner.id == "fake/one"
    assert [(loser.entry.id, loser.reason) for loser in resolution.losers] == [
        ("fake/two", "a preset comes first")
    ]
    assert find_spec("fake/two").id == "fake/two"


def test_a_combination_has_no_one_spec() -> None:
    with pytest.raises(IdentifierError, match="combination"):
        find_spec("both")


@pytest.mark.parametrize(
    ("name", "path"), [("a", "b -> c -> b"), ("b", "b -> c -> b"), ("mae", "mae -> mae")]
)
def test_a_preset_that_leads_to_itself_is_told_with_the_path(name, path) -> None:
    with pytest.raises(CatalogError, match=f"leads to itself: {path}"):
        find_spec(name)


@pytest.mark.parametrize(
    ("name", "error", "texts"),
    [
        ("typo", UnknownLossError, ["Did you mean 'fake/one'"]),
        ("unknown", UnknownLossError, ["a_loss_that_nobody_has"]),
        ("elsewhere", LossNotInstalledError, ["pip install acme-far"]),
        ("no-table", CatalogError, ["class_name"]),
    ],
)
def test_an_error_says_where_the_preset_stands(catalogue, name, error, texts) -> None:
    line = CATALOGUE.splitlines().index(f"[presets.{name}]") + 1
    for text in [f"the preset {name!r} ({catalogue}:{line})", *texts]:
        with pytest.raises(error) as caught:
            find_spec(name)
        assert text in str(caught.value)


def test_the_index_of_a_catalogue_says_what_to_install() -> None:
    with pytest.raises(LossNotInstalledError, match="pip install acme-far"):
        find_spec("distant")


def test_presets_change_with_the_file_after_refresh(catalogue) -> None:
    assert find_spec("usual").id == "fake/one"
    catalogue.write_text('[presets.usual]\nloss = "fake/two"\n')
    lossplug_core.refresh()
    assert find_spec("usual").id == "fake/two"


@pytest.mark.backend
class TestBuilt:
    """What `get_loss` makes of presets."""

    @pytest.mark.parametrize(
        ("name", "given", "scale", "reduction", "preset"),
        [
            ("usual", {}, 2.0, MEAN, ("usual", 3)),
            ("USUAL", {"scale": 5}, 5.0, MEAN, ("usual", 3)),
            ("outer", {}, 3.0, "sum", ("outer", 1)),
            ("plain", {}, 3.0, "sum", ("plain", 1)),
            ("plain", {"reduction": "none"}, 3.0, "none", ("plain", 1)),
            ("plain", {"reduction": MEAN}, 3.0, MEAN, ("plain", 1)),
            ("plain", {"reduction": None}, 3.0, None, ("plain", 1)),
            ("table", {}, 4.0, "none", ("table", 1)),
            (
                {"name": "usual", "params": {"scale": 6}},
                {},
                6.0,
                MEAN,
                ("usual", 3),
            ),
        ],
    )
    def test_further_parameters_count_over_the_presets(
        self, name, given, scale, reduction, preset
    ) -> None:
        loss = lossplug_core.get_loss(name, **given)
        assert (loss.spec.id, loss.parameters["scale"]) == ("fake/one", scale)
        assert (loss.reduction, loss.preset) == (reduction, preset)

    @pytest.mark.parametrize(
        ("given", "scale", "dtype", "global_batch"),
        [
            ({}, 9.0, "float16", True),
            ({"convention": None}, 1.0, "float16", True),
            ({"dtype": None}, 9.0, "float32", True),
            ({"global_batch": False}, 9.0, "float16", False),
            ({"name": None}, 9.0, "float16", True),
        ],
    )
    @pytest.mark.parametrize("as_dict", [False, True])
    def test_a_default_that_is_given_counts_over_the_presets(
        self, site, as_dict, given, scale, dtype, global_batch
    ) -> None:
        site.install("lossplug-of", modules={"of_losses": KNOWN}, entry_points=OF_KNOWN)
        preset = {"name": "all"} if as_dict else "all"
        loss = lossplug_core.get_loss(preset, **given)
        assert (loss.parameters["scale"], loss.dtype) == (scale, dtype)
        assert loss.global_batch is global_batch

    def test_a_default_is_no_parameter_of_what_takes_none(self) -> None:
        nothing = {"convention": None, "name": None, "dtype": None, "global_batch": False}
        loss = lossplug_core.get_loss("both", **nothing)
        assert lossplug_core.get_loss(loss, **nothing) is loss
        with pytest.raises(ParameterError, match="takes no parameters") as caught:
            lossplug_core.get_loss(loss, **nothing | {"global_batch": True})
        assert caught.value.parameter == "global_batch"

    def test_help_shows_the_defaults(self) -> None:
        shown = str(inspect.signature(lossplug_core.get_loss))
        assert "convention: 'str | None' = None, reduction: 'str | None' = 'sum_over" in shown
        assert "dtype: 'Any' = None, global_batch: 'bool' = False" in shown

    def test_a_combination_may_be_of_presets(self) -> None:
        loss = lossplug_core.get_loss("both", name="mine")
        assert (loss.preset, loss.name) == (("both", 2), "mine")
        assert [part.weight for part in loss.parts] == [0.5, 1.0, 1.0]
        assert [getattr(part.loss, "preset", None) for part in loss.parts[:2]] == [
            ("usual", 3),
            ("both_inner", 1),
        ]
        with pytest.raises(ParameterError, match="has its parameters already"):
            lossplug_core.get_loss("both", scale=2.0)

    def test_combine_takes_presets(self) -> None:
        loss = lossplug_core.combine({"usual": 1.0, "both_inner": 2.0})
        assert loss.preset is None
        assert [part.loss.preset.name for part in loss.parts] == ["usual", "both_inner"]

    @pytest.mark.parametrize("name", ["around", "round"])
    def test_a_combination_that_contains_itself_is_told_with_the_path(self, name) -> None:
        with pytest.raises(CatalogError, match=r"round -> a?round -> "):
            lossplug_core.get_loss(name)

    def test_a_wrong_parameter_says_where_the_preset_stands(self) -> None:
        with pytest.raises(ParameterError, match=r"the preset 'wrong' \(.*acme\.toml:"):
            lossplug_core.get_loss("wrong")

    def test_a_deprecated_preset_warns_with_what_to_use_and_until_when(self) -> None:
        with pytest.warns(DeprecatedLossWarning) as caught:
            lossplug_core.get_loss("old")
        (warning,) = caught
        assert "'old'" in str(warning.message)
        assert "2031-12-24" in str(warning.message)
        assert "get_loss('outer')" in str(warning.message)
        assert warning.filename == __file__

    def test_an_experimental_preset_does_not_warn(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            lossplug_core.get_loss("plain")

    @pytest.mark.parametrize("name", ["usual", "own", "both"])
    def test_the_config_names_the_preset_and_loads_where_there_is_no_catalogue(
        self, monkeypatch, name
    ) -> None:
        import keras

        loss = lossplug_core.get_loss(name)
        config = keras.losses.serialize(loss)
        monkeypatch.setenv("LOSSPLUG_CATALOG", "off")
        lossplug_core.refresh()
        with pytest.raises(LossplugError):
            find_spec(name)
        for again in (keras.losses.deserialize(config), lossplug_core.get_loss(config)):
            assert again.preset == loss.preset
            assert again.get_config() == loss.get_config()

    def test_a_saved_model_keeps_the_preset(self, monkeypatch, tmp_path) -> None:
        import keras

        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(loss=lossplug_core.get_loss("usual"))
        model.save(tmp_path / "model.keras")
        monkeypatch.setenv("LOSSPLUG_CATALOG", "off")
        lossplug_core.refresh()
        assert keras.models.load_model(tmp_path / "model.keras").loss.preset == ("usual", 3)

    def test_a_copy_keeps_the_preset(self) -> None:
        loss = lossplug_core.get_loss("usual")
        assert pickle.loads(pickle.dumps(loss)).preset == ("usual", 3)

    @pytest.mark.parametrize(
        "preset",
        ["usual", 3, {"name": "usual"}, {"name": 3, "version": 1}, {"name": "u", "version": True}],
    )
    def test_a_config_with_a_damaged_preset_is_refused(self, preset) -> None:
        config = {"id": "fake/one", "preset": preset}
        with pytest.raises(ConfigError, match="preset"):
            lossplug_core.PluginLoss.from_config(config)

    def test_a_loss_without_a_preset_says_nothing_of_one(self) -> None:
        assert "preset" not in lossplug_core.get_loss("fake/one").get_config()

    def test_kerass_own_config_means_kerass_own_loss_whatever_presets_are_called(
        self, catalogue
    ) -> None:
        import keras

        catalogue.write_text('[presets.mean_squared_error]\nloss = "fake/one"\n')
        lossplug_core.refresh()
        config = keras.losses.serialize(keras.losses.MeanSquaredError())
        assert type(lossplug_core.get_loss(config)) is keras.losses.MeanSquaredError
        assert lossplug_core.get_loss("MeanSquaredError").spec.id == "fake/one"

    def test_a_preset_of_a_forbidden_loss_is_forbidden(self, monkeypatch) -> None:
        monkeypatch.setenv("LOSSPLUG_DISABLE", "fake")
        with pytest.raises(ForbiddenLossError, match="the preset 'outer'"):
            lossplug_core.get_loss("outer")
