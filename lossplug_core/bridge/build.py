"""`get_loss`: from whatever names a loss to a `keras.losses.Loss`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, overload

import keras

from lossplug_core._app import registry
from lossplug_core._keras_table import of_class
from lossplug_core.bridge.announcing import built
from lossplug_core.bridge.of_presets import inside, warnings_of
from lossplug_core.bridge.options import check_options
from lossplug_core.bridge.plugin_loss import PluginLoss
from lossplug_core.bridge.telling import warn
from lossplug_core.errors import ConfigError, IdentifierError, ParameterError
from lossplug_core.migration import former_id, warning_for
from lossplug_core.names import KERAS
from lossplug_core.params import parameters_of, validate
from lossplug_core.presets import Lead, PresetRef
from lossplug_core.schedules import Schedule
from lossplug_core.spec import LossSpec

__all__ = ["DEFAULTS", "get_loss"]

DEFAULTS = {"reduction": "sum_over_batch_size", "name": None, "dtype": None, "global_batch": False}


class _Unsaid:
    """A default that can be told from the same value, given: that one counts over a preset's."""

    def __init__(self, value: object) -> None:
        self._text = repr(value)

    def __repr__(self) -> str:
        return self._text  # as `help` shows it


_NONE: Any = _Unsaid(None)
_FALSE: Any = _Unsaid(False)
_MEAN: Any = _Unsaid(DEFAULTS["reduction"])


@overload
def get_loss(identifier: None, /) -> None: ...
@overload
def get_loss(
    identifier: str | Mapping[str, Any] | Callable[..., Any] | LossSpec | keras.losses.Loss,
    /,
    *,
    convention: str | None = None,
    reduction: str | None = "sum_over_batch_size",
    name: str | None = None,
    dtype: Any = None,
    global_batch: bool = False,
    **parameters: Any,
) -> keras.losses.Loss: ...
def get_loss(
    identifier: Any,
    /,
    *,
    convention: str | None = _NONE,
    reduction: str | None = _MEAN,
    name: str | None = _NONE,
    dtype: Any = _NONE,
    global_batch: bool = _FALSE,
    **parameters: Any,
) -> keras.losses.Loss | None:
    """A loss by name, ready for `model.compile`.

    What is given counts over what a preset says, also where it is the default.

    Args:
        identifier: A name in any spelling (`"focal"`, `"FocalLoss"`, `"imbalance/focal"`,
            `"mse"`), also that of a catalogue's preset; a dict `{"name": …, "params": …}`, or one
            of Keras's with `class_name` and `config`; a function marked `@loss` or its spec; a loss
            object, which is returned as it is; or None.
        convention: The name of a well-known implementation to agree with; its parameters replace
            the defaults.
        reduction: How the values of a batch become one: as in `keras.losses.Loss`.
        name: The name in Keras's logs; the loss's own if None.
        dtype: The dtype of the computation; Keras's `floatx` if None.
        global_batch: Whether the loss sees the samples of all replicas that share a batch; what a
            loss that compares samples needs on several devices.
        **parameters: The parameters of the loss; `lossplug show ID` lists them. A float may be a
            schedule of `lossplug_core.schedules`.

    Returns:
        A `keras.losses.Loss`; None for None. Keras's own losses come as Keras's own objects,
        unless a preset leads to them: it is saved with the loss.

    Raises:
        UnknownLossError: No installed loss has this name.
        LossNotInstalledError: It is in a package that is not installed.
        AmbiguousLossError: Several plugins have it.
        ForbiddenLossError: A rule forbids it.
        BrokenPluginError: Its plugin cannot be imported.
        ParameterError: A parameter is unknown, missing, of the wrong type, or out of bounds.
        ConfigError: The dict does not describe a loss.
        CatalogError: A catalogue cannot be read, or a preset leads to itself.
        IdentifierError: The identifier is none of these.

    Example:
        >>> get_loss("focal", gamma=3)
        <PluginLoss imbalance/focal(gamma=3.0) from lossplug-imbalance 0.1.0>
        >>> type(get_loss("mse")).__name__
        'MeanSquaredError'
    """
    options = {"reduction": reduction, "name": name, "dtype": dtype, "global_batch": global_batch}
    options = {key: value for key, value in options.items() if not isinstance(value, _Unsaid)}
    said = {} if isinstance(convention, _Unsaid) else {"convention": convention}
    given = {**options, **said, **parameters}
    if identifier is None or isinstance(identifier, keras.losses.Loss):
        what = "A loss that is built already takes no parameters."
        _refuse(given, what, expected="a name beside parameters")
        _permit_own(identifier)
        return identifier
    if isinstance(identifier, Mapping):
        return _from_mapping(identifier, given)
    if isinstance(identifier, str) and (lead := registry.lead(identifier)) is not None:
        return _from_preset(lead, given)
    spec = _spec(identifier)
    formerly = former_id(identifier, spec) if isinstance(identifier, str) else None
    return _build(spec, said.get("convention"), parameters, {**DEFAULTS, **options}, formerly)


_OF_DICTS = ("reduction", "dtype", "global_batch", "convention")
_IDLE = {key: DEFAULTS[key] for key in DEFAULTS if key != "reduction"} | {"convention": None}


def _spec(identifier: Any) -> LossSpec:
    if isinstance(identifier, str):
        return registry.find(identifier)
    if isinstance(identifier, LossSpec):
        return identifier
    if callable(identifier):
        if (spec := registry.identify(identifier)) is not None:
            return spec
        # Keras's own functions and classes are what their name says, when it is really they.
        own = getattr(identifier, "__name__", "")
        if own and identifier is getattr(keras.losses, own, None) and own != "Loss":
            return registry.find(f"{KERAS}/{own}")
        raise IdentifierError(
            f"{own or identifier!r} is a function that lossplug does not know.",
            expected="the name of a loss, or a function marked @loss",
            received=identifier,
            fix="Mark it: @lossplug_core.loss(y_true=…, y_pred=…)",
        )
    raise IdentifierError(
        "This does not identify a loss.",
        expected="a name, a config, a function marked @loss, a keras.losses.Loss, or None",
        received=identifier,
        fix="`lossplug list` shows what is installed.",
    )


def _permit_own(loss: keras.losses.Loss | None) -> None:
    """Hold an object of Keras's own against the rules; a plugin's was, when it was built."""
    row = None if loss is None else of_class(type(loss).__name__)
    if row is not None and type(loss) is getattr(keras.losses, row.class_name, None):
        registry.find(f"{KERAS}/{row.name}")


def _from_preset(lead: Lead, given: Mapping[str, Any]) -> keras.losses.Loss:
    """What a preset leads to, with further parameters over its own."""
    with inside(lead):
        for warning, preset in warnings_of(lead):
            warn(warning, preset)
        if isinstance(lead.loss, Mapping):
            from lossplug_core.bridge.combined import from_mapping

            table = dict(lead.loss)
            table |= {"name": given["name"]} if "name" in given else {}
            arguments = {**lead.arguments, **given}
            arguments.pop("name", None)
            _refuse(arguments, "A combination has its parameters already.")
            return from_mapping(table, preset=lead.ref)
        arguments = {**lead.arguments, **given}
        convention = arguments.pop("convention", None)
        options = {name: arguments.pop(name, default) for name, default in DEFAULTS.items()}
        spec = registry.find(lead.loss)
        formerly = former_id(lead.loss, spec)
        return _build(spec, convention, arguments, options, formerly, lead.ref)


def _build(
    spec: LossSpec,
    convention: str | None,
    parameters: Mapping[str, Any],
    options: Mapping[str, Any],
    formerly: str | None,
    preset: PresetRef | None = None,
) -> keras.losses.Loss:
    if spec.namespace != KERAS:
        loss = PluginLoss(spec, parameters, convention=convention, preset=preset, **options)
        warn(warning_for(spec, formerly=formerly))
        return loss
    complete = validate(spec, parameters, convention=convention)
    check_options(**options)
    changes = any(isinstance(value, Schedule) for value in complete.values())
    if options["global_batch"] or changes or preset is not None:
        return PluginLoss(spec, complete, preset=preset, **options)
    own = {key: options[key] for key in ("name", "dtype") if options[key] is not None}
    own["reduction"] = options["reduction"]
    try:
        loss = spec.function(**complete, **own)
    except (ValueError, TypeError) as error:
        raise ParameterError(
            f"Keras refuses the parameters of {spec.id!r}: {error}", received={**complete, **own}
        ) from error
    if _loses(loss, spec, complete, options["dtype"]):
        return PluginLoss(spec, complete, **options)
    built(loss, spec)
    return loss


def _loses(
    loss: keras.losses.Loss, spec: LossSpec, parameters: Mapping[str, Any], dtype: Any
) -> bool:
    """Whether the installed Keras would forget something when it saves this loss."""
    config = loss.get_config()
    forgotten = {name for name in parameters if name not in config}
    return (dtype is not None and "dtype" not in config) or any(
        parameters[name] != parameters_of(spec)[name].default for name in forgotten
    )


def _from_mapping(config: Mapping[str, Any], given: Mapping[str, Any]) -> keras.losses.Loss:
    if "class_name" in config:
        return _from_keras_config(config, given)
    if "combine" in config:
        from lossplug_core.bridge.combined import from_mapping

        _refuse(given, "A combination has its parameters already.")
        return from_mapping(config)
    if "name" not in config or not set(config) <= {"name", "params", *_OF_DICTS}:
        raise ConfigError(
            "This dict does not describe a loss.",
            expected="{'name': …, 'params': {…}}, or Keras's {'class_name': …, 'config': {…}}",
            received=dict(config),
        )
    params = _mapping(config.get("params"), "params")
    common = {key: config[key] for key in _OF_DICTS if key in config}
    return _again(config["name"], {**common, **params, **given})


def _from_keras_config(config: Mapping[str, Any], given: Mapping[str, Any]) -> keras.losses.Loss:
    class_name, inner = config["class_name"], config.get("config")
    if class_name == "function" and isinstance(inner, str):
        # So Keras writes its own functions; elsewhere a name must be enough as well.
        return _again(inner, given)
    inner = _mapping(inner, "config")
    if class_name == PluginLoss.__name__:
        _refuse(given, "A saved loss has its parameters already.")
        return PluginLoss.from_config(dict(inner))
    if class_name == "CombinedLoss":
        from lossplug_core.bridge.combined import CombinedLoss

        _refuse(given, "A saved loss has its parameters already.")
        return CombinedLoss.from_config(dict(inner))
    custom: Any = keras.saving.get_custom_objects().get(str(config.get("registered_name")))
    if isinstance(custom, type) and issubclass(custom, keras.losses.Loss):
        _refuse(given, "A saved loss has its parameters already.")
        registry.identify(custom)  # a plugin's class obeys the rules for its loss
        return keras.losses.deserialize(dict(config))
    # The module that a config may name is never imported: the class's name must be enough.
    own = str(config.get("module") or "").partition(".")[0] == KERAS and of_class(str(class_name))
    return _again(f"{KERAS}/{class_name}" if own else class_name, {**inner, **given})


def _refuse(given: Mapping[str, Any], what: str, expected: str = "its config alone") -> None:
    """Refuse arguments where there is nothing that they could change, if they ask for something."""
    asking = {k: v for k, v in given.items() if k not in _IDLE or v is not _IDLE[k]}
    if asking:
        first = next(iter(asking))
        raise ParameterError(what, expected=expected, received=asking, parameter=first)


def _again(identifier: Any, arguments: Mapping[str, Any]) -> keras.losses.Loss:
    if not isinstance(identifier, str):
        raise ConfigError(
            "A dict describes a loss by its name.", expected="a text", received=identifier
        )
    if unusable := [key for key in arguments if not isinstance(key, str)]:
        raise ConfigError("The names of parameters are texts.", received=unusable[0])
    return get_loss(identifier, **arguments)


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"The {key!r} of a dict that describes a loss is not a mapping.", received=value
        )
    return value
