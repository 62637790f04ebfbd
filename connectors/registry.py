"""Connector types by name: the built-in ones, and whatever installed packages offer as entry points."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from connectors.base import Connector, ConnectorContext
from connectors.log import LogConnector
from connectors.redis import RedisConnector
from engine.errors import ConfigError

#: Entry point group in which a package offers its connectors.
GROUP = "lockstep.connectors"
#: There without any package, so that a checkout that was never installed works.
BUILT_IN: Mapping[str, type[Connector]] = {"log": LogConnector, "redis": RedisConnector}


class Registry:
    """Knows connector types and builds instances of them."""

    def __init__(self, types: Mapping[str, type[Connector]] | None = None) -> None:
        self._types: dict[str, type[Connector]] = {**BUILT_IN, **(types or {})}
        self._offered: dict[str, EntryPoint] = {}

    @classmethod
    def discover(cls) -> Registry:
        """The built-in types and those of all installed packages; a package is imported only when its type is used.

        Raises:
            ConfigError: two packages offer the same name (C124).
        """
        registry = cls()
        for point in entry_points(group=GROUP):
            if point.name in BUILT_IN:
                mine = BUILT_IN[point.name]
                if point.value != f"{mine.__module__}:{mine.__qualname__}":
                    raise _taken_twice(point.name, point.value, "Lockstep itself")
                continue
            other = registry._offered.get(point.name)
            if other is not None and other.value != point.value:
                raise _taken_twice(point.name, point.value, other.value)
            registry._offered[point.name] = point
        return registry

    @property
    def names(self) -> tuple[str, ...]:
        """Every known type, sorted."""
        return tuple(sorted({*self._types, *self._offered}))

    def type_of(self, type_name: str) -> type[Connector]:
        """The class of that type.

        Raises:
            ConfigError: no such type (C120), or the package that offers it is broken (C123).
        """
        if type_name in self._types:
            return self._types[type_name]
        point = self._offered.get(type_name)
        if point is None:
            raise ConfigError(
                "C120",
                f"no connector type '{type_name}'",
                f"known: {', '.join(self.names)}; others come from installed packages (entry points '{GROUP}')",
            )
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            hint = f"reinstall the package that offers {point.value}"
            raise ConfigError("C123", f"connector type '{type_name}' cannot be loaded: {error}", hint) from error
        if not (isinstance(found, type) and issubclass(found, Connector)):
            hint = "it must name a subclass of connectors.base.Connector"
            raise ConfigError("C123", f"connector type '{type_name}' is {point.value}, which is no connector", hint)
        self._types[type_name] = found
        return found

    def build(self, type_name: str, context: ConnectorContext) -> Connector:
        """A connector of that type, in that context.

        Raises:
            ConfigError: unknown type, or options it does not take.
        """
        return self.type_of(type_name)(context)


def _taken_twice(name: str, one: str, other: str) -> ConfigError:
    message = f"connector type '{name}' is offered by {one} and by {other}"
    return ConfigError("C124", message, "uninstall one of them")
