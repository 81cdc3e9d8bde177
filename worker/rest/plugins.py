"""`/connector-plugins`: what is installed, its options, and whether a config is right.

Source of the shapes: org.apache.kafka.connect.runtime.rest.resources.ConnectorPluginsResource and
entities.{PluginInfo,ConfigKeyInfo,ConfigInfos} (Kafka 4.3).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headwater.worker.api import ConfigError, shortened
from headwater.worker.config.plugins import Plugin, PluginKind, Plugins

from .answers import JsonResponse, slowly
from .requests import HttpError, flag, json_body, text_options
from .secrets_shown import MASK, PluginCall

_ORDER: Final = ("sink", "source", "transformation", "predicate", "converter", "header_converter")
_NULL: Final = "Null value can not be supplied as the configuration value."


class PluginRoutes:
    """`call` runs a plugin call in a process of its own: this process imports no plugin."""

    def __init__(self, plugins: Plugins, call: PluginCall) -> None:
        self._plugins = plugins
        self._call = call

    def routes(self) -> list[Route]:
        one = "/connector-plugins/{plugin}"
        return [
            Route("/connector-plugins", self.all, methods=["GET"]),
            Route(f"{one}/config", self.config, methods=["GET"]),
            Route(f"{one}/config/validate", self.validate, methods=["PUT"]),
        ]

    async def all(self, request: Request) -> Response:
        """Each under its short name and those of the Java classes that it replaces.

        With `connectorsOnly=false` transforms, predicates and converters too.
        """
        only = flag(request, "connectorsOnly", True)
        found = [
            {"class": name, "type": _type(plugin), "version": plugin.package.rpartition(" ")[2]}
            for plugin in sorted(self._plugins.all(), key=lambda plugin: _ORDER.index(_type(plugin)))
            if not only or plugin.kind in ("source", "sink")
            for name in (plugin.name, *(full for full in plugin.names if "." in full and full != plugin.name))
        ]
        return JsonResponse(found)

    async def config(self, request: Request) -> Response:
        """The options of a plugin of any kind. `version`, where it is asked for, must be the one that is installed."""
        name = str(request.path_params["plugin"])
        kind = self._kind(name)
        wanted, there = request.query_params.get("version", "latest").strip("[] "), _version(self._plugins, kind, name)
        if wanted not in ("latest", there):
            raise HttpError(400, f"Plugin {name} is installed in version {there}, not in {wanted}")
        if kind in ("source", "sink"):
            answer = await slowly(self._call, "validate", {"name": "any", "connector.class": name})
        else:
            answer = await slowly(partial(self._call, "options", {"name": name}, kind=kind, plugin=name))
        return JsonResponse([_key(option, order) for order, option in enumerate(answer["options"])])

    async def validate(self, request: Request) -> Response:
        name = str(request.path_params["plugin"])
        config: dict[str, str | None] = text_options(await json_body(request), nulls=True)
        inside = config.get("connector.class")
        if inside is not None and not _same(inside, name) and self._target(inside) != self._target(name):
            raise HttpError(400, f"Included connector type {inside} does not match request type {name}")
        if inside is None:
            raise HttpError(400, f"Connector config of {name} contains no connector type: connector.class is missing")
        if self._target(inside) is None:
            raise HttpError(400, f"no connector class {inside} is installed; GET /connector-plugins lists them")
        given = {option: text for option, text in config.items() if text is not None}
        answer = await slowly(self._call, "validate", given)
        nulls = [option for option, text in config.items() if text is None]
        answer["problems"] += [{"option": option, "message": _NULL, "hint": ""} for option in nulls]
        return JsonResponse(_config_infos(inside, given, answer))

    def _kind(self, name: str) -> PluginKind:
        """Raises `HttpError` 404."""
        kinds: list[PluginKind] = ["source", "sink", "transform", "predicate", "converter"]
        for kind in kinds:
            with contextlib.suppress(ConfigError):
                self._plugins.find(kind, name)
                return kind
        raise HttpError(404, f"Unknown plugin {name}.")

    def _target(self, name: str) -> str | None:
        try:
            return self._plugins.find(self._plugins.kind_of(name), name).value
        except ConfigError:
            return None


def version_of(plugins: Plugins, name: str) -> str:
    """Of the package that brings the connector class `name`."""
    try:
        return _version(plugins, plugins.kind_of(name), name)
    except ConfigError:
        return "undefined"


def _version(plugins: Plugins, kind: PluginKind, name: str) -> str:
    """Raises `ConfigError`."""
    package = plugins.find(kind, name).dist
    return package.version if package else "undefined"


def _type(plugin: Plugin) -> str:
    """Source: `org.apache.kafka.connect.runtime.isolation.PluginType`."""
    if plugin.kind == "converter" and plugin.name.endswith("HeaderConverter"):
        return "header_converter"
    return "transformation" if plugin.kind == "transform" else plugin.kind


def _same(inside: str, name: str) -> bool:
    """Kafka Connect's rule, for classes that are not installed as well."""
    return inside.removesuffix("Connector").endswith(name.removesuffix("Connector"))


def _key(option: Mapping[str, Any], order: int) -> dict[str, Any]:
    default = option["default"]
    return {
        "name": option["name"],
        "type": option["type"],
        "required": option["required"],
        "default_value": None if default is None else _text(default),
        "importance": str(option["importance"]).upper(),
        "documentation": option["doc"],
        "group": option["group"] or None,
        "width": "MEDIUM",
        "display_name": option["name"],
        "dependents": [],
        "order_in_group": order,
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _config_infos(name: str, config: Mapping[str, str], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Kafka Connect's answer: every option with its value and what is wrong with it."""
    errors: dict[str, list[str]] = {}
    for problem in answer["problems"]:
        hint = f" ({shortened(problem['hint'])})" if problem["hint"] else ""
        errors.setdefault(problem["option"], []).append(f"{shortened(problem['message'])}{hint}")
    configs: list[dict[str, Any]] = []
    for order, option in enumerate(answer["options"]):
        key = option["name"]
        if option["pattern"] and key not in errors:
            continue
        secret = option["type"] == "PASSWORD"
        text = config.get(key, _text(option["default"]) if option["default"] is not None else None)
        configs.append(
            {
                "definition": _key(option, order),
                "value": _value(key, MASK if secret and text else text, option["choices"], errors.pop(key, [])),
            }
        )
    for key, found in errors.items():  # options that nobody declares
        configs.append({"definition": None, "value": _value(key, None, [], found)})
    groups = list(dict.fromkeys(option["group"] for option in answer["options"] if option["group"]))
    count = sum(len(entry["value"]["errors"]) for entry in configs)
    return {"name": name, "error_count": count, "groups": groups, "configs": configs}


def _value(name: str, text: str | None, choices: list[str], errors: list[str]) -> dict[str, Any]:
    return {"name": name, "value": text, "recommended_values": choices, "errors": errors, "visible": True}
