"""Config values that are names from a registry, and sections whose ``kind`` is such a name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import AfterValidator, BaseModel, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from .registry import Registry

UNKNOWN = "unknown_name"  # the error type for a name that is not registered


def one_of(what: str, known: Collection[str] | Registry) -> AfterValidator:
    """The annotation of a name: ``Annotated[str, one_of("data source", SOURCES)]``.

    Binding a value reads ``known``, so names registered later work.

    Args:
        what: the kind of the names, for messages.
        known: the names.
    """

    def check(name: str) -> str:
        if name not in known:
            context = {"what": what, "known": [*known]}
            raise PydanticCustomError(UNKNOWN, "expected a known {what}", context)
        return name

    return AfterValidator(check)


class Kinds:
    """The annotation of a section by kind: ``Annotated[Base, Kinds(REGISTRY, "default")]``.

    Binding a value reads the registry, so kinds registered later work, and the modules of unused
    kinds are not imported. The location of an error contains the kind, like the member name of a
    union.

    Args:
        registry: kind → config class with a field ``kind``.
        default: the kind of a section without the key.
        named: whether a string may replace the section: the name of a section defined elsewhere.
    """

    def __init__(self, registry: Registry, default: str, *, named: bool = False) -> None:
        self.registry, self.default, self.named = registry, default, named

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._bound, serialization=core_schema.simple_ser_schema("any")
        )

    def members(self) -> list[type[BaseModel]]:
        """The config classes, in the order of their kinds."""
        return [self.registry.get(kind) for kind in self.registry]

    def of(self, section: Mapping[str, Any]) -> type[BaseModel] | None:
        """The config class of a section; None if its kind is unknown."""
        kind = section.get("kind", self.default)
        known = isinstance(kind, str) and kind in self.registry
        return self.registry.get(kind) if known else None

    def _bound(self, value: Any) -> Any:
        if self.named and isinstance(value, str):
            return value
        section = value if isinstance(value, Mapping) else {"kind": getattr(value, "kind", None)}
        schema = self.of(section)
        if schema is None:
            raise self._unknown(value)
        try:
            return schema.model_validate(value)
        except ValidationError as error:
            kind = str(section.get("kind", self.default))
            raise ValidationError.from_exception_data(
                error.title, [_under(kind, each) for each in error.errors()]
            ) from None

    def _unknown(self, value: Any) -> ValidationError:
        error = PydanticCustomError(
            UNKNOWN, "expected a {what}", {"what": self.registry.kind, "known": [*self.registry]}
        )
        named = isinstance(value, Mapping) and "kind" in value
        details = InitErrorDetails(
            type=error, loc=("kind",) if named else (), input=value["kind"] if named else value
        )
        return ValidationError.from_exception_data(self.registry.kind, [details])


def _under(kind: str, error: Any) -> InitErrorDetails:
    """``error`` with ``kind`` in front of its location and the same message."""
    context = error["ctx"] if error["type"] == UNKNOWN else None
    custom = PydanticCustomError(error["type"], error["msg"], context)
    return InitErrorDetails(type=custom, loc=(kind, *error["loc"]), input=error["input"])
