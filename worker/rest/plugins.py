"""`/connector-plugins`: what is installed, its options, and whether a config is right.

Source of the shapes: org.apache.kafka.connect.runtime.rest.resources.ConnectorPluginsResource and
entities.{PluginInfo,ConfigKeyInfo,ConfigInfos} (Kafka 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headwater.worker.api import ConfigError
from headwater.worker.config.plugins import Plugins

from .answers import JsonResponse, blocking
from .requests import HttpError, flag, json_body, text_options
from .secrets_shown import MASK, PluginCall


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
        """Each class under its short name; with `connectorsOnly=false` transforms, predicates and converters too."""
        only = flag(request, "connectorsOnly", True)
        found = [
            {"class": plugin.name, "type": plugin.kind, "version": plugin.package.rpartition(" ")[2]}
            for plugin in self._plugins.all()
            if not only or plugin.kind in ("source", "sink")
        ]
        return JsonResponse(found)

    async def config(self, request: Request) -> Response:
        name = self._known(request)
        answer = await blocking(self._call, "validate", {"name": "any", "connector.class": name})
        return JsonResponse([_key(option, order) for order, option in enumerate(answer["options"])])

    async def validate(self, request: Request) -> Response:
        name = self._known(request)
        config = text_options(await json_body(request))
        inside = config.setdefault("connector.class", name)
        if self._target(inside) != self._target(name):
            raise HttpError(400, f"Included connector type {inside} does not match request type {name}")
        answer = await blocking(self._call, "validate", config)
        return JsonResponse(_config_infos(name, config, answer))

    def _known(self, request: Request) -> str:
        name = str(request.path_params["plugin"])
        if self._target(name) is None:
            raise HttpError(404, f"Unknown plugin {name}")
        return name

    def _target(self, name: str) -> str | None:
        try:
            return self._plugins.find(self._plugins.kind_of(name), name).value
        except ConfigError:
            return None


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
        "order": order,
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _config_infos(name: str, config: Mapping[str, str], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Kafka Connect's answer: every option with its value and what is wrong with it."""
    errors: dict[str, list[str]] = {}
    for problem in answer["problems"]:
        hint = f" ({problem['hint']})" if problem["hint"] else ""
        errors.setdefault(problem["option"], []).append(f"{problem['message']}{hint}")
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
