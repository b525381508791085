"""A section of a config whose ``kind`` says which schema of a registry it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from .registry import Registry

UNKNOWN = "unknown_kind"  # the type of the error of a kind that is not registered


class Kinds:
    """What an annotation says of such a section: ``Annotated[Base, Kinds(REGISTRY, "default")]``.

    The registry is looked up when a value is bound, so what was registered meanwhile counts, and
    kinds that no value has are not imported. The place of an error holds the kind, as that of a
    union's member does.

    Args:
        registry: kind → config class, which has a field ``kind``.
        default: the kind of a section that names none.
        named: whether a word may stand in place of a section, the name of one elsewhere.
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
        """The config class of a section; None: its kind is unknown."""
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
        told = PydanticCustomError(
            UNKNOWN, "expected a {what}", {"what": self.registry.kind, "known": [*self.registry]}
        )
        named = isinstance(value, Mapping) and "kind" in value
        input_error = InitErrorDetails(
            type=told, loc=("kind",) if named else (), input=value["kind"] if named else value
        )
        return ValidationError.from_exception_data(self.registry.kind, [input_error])


def _under(kind: str, error: Any) -> InitErrorDetails:
    """``error`` one step further down, in words that stay."""
    more = error["ctx"] if error["type"] == UNKNOWN else None
    told = PydanticCustomError(error["type"], error["msg"], more)
    return InitErrorDetails(type=told, loc=(kind, *error["loc"]), input=error["input"])
