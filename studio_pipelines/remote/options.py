"""Options of a command line, read off the JSON schema of an operation's request."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio_pipelines.client.operations import Runnable

INPUTS, PARAMETERS, JOB = "Inputs", "Parameters", "Job"
# What says how a job is run is after everything that says what it does.
_JOB_FIELDS = ("priority", "schedule", "timeoutSeconds", "cache", "webhook", "dryRun")
_LEFT_OUT = ("async",)
Schema = Mapping[str, Any]


class NotAValue(ValueError):
    """The text is no value that the field takes."""


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        path: Where its value goes in the request: the field, or a chain's step and its field.
        panel: Heading that it is listed under.
        schema: JSON schema of its value, references resolved.
        required: Whether a request needs it.
        is_input: Whether it names media.
    """

    path: tuple[str, ...]
    panel: str
    schema: Schema
    required: bool
    is_input: bool

    @property
    def flag(self) -> str:
        """How it is written: ``--target-lufs``, of a step ``--audio-master.target-lufs``."""
        return "--" + ".".join(kebab(part) for part in self.path)

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return self.types <= {"boolean", "null"} and "boolean" in self.types

    @property
    def is_repeated(self) -> bool:
        """Whether it may be given several times."""
        return self.is_input and "array" in self.types

    @property
    def types(self) -> set[str]:
        """The JSON types that it takes."""
        return {str(one.get("type")) for one in choices(self.schema)}

    @property
    def metavar(self) -> str:
        """What stands for its value in the help."""
        if self.is_input:
            return "FILE|URL"
        kinds = [kind for one in choices(self.schema) for kind in _kinds_of(one)]
        return "|".join(dict.fromkeys(kinds))

    @property
    def help(self) -> str:
        """Its description, with the fields of an object, the range, and the default."""
        parts = [str(self.schema.get("description", "")).strip()]
        fields = [name for one in choices(self.schema) for name in one.get("properties", ())]
        if fields:
            parts.append(f"Fields: {', '.join(fields)}.")
        default = self.schema.get("default")
        notes = [limits_text(self.schema)]
        if default not in (None, {}, "") and not self.is_input:
            shown = default if isinstance(default, str) else json.dumps(default)
            notes.append(f"default: {shown}")
        if told := "; ".join(note for note in notes if note):
            parts.append(f"({told})")
        return " ".join(part for part in parts if part)

    def value(self, text: str) -> Any:
        """Return the value that a text means.

        Raises:
            NotAValue: It means none that the field takes.
        """
        value = self._read(text)
        faults = [fault for one in choices(self.schema) if (fault := fault_in(value, one))]
        if len(faults) == len(choices(self.schema)):
            raise NotAValue(f"{text!r} is not {faults[0]}.")
        return value

    def _read(self, text: str) -> Any:
        if self.types <= {"string", "null"}:
            return text
        try:
            return json.loads(text)
        except ValueError:
            if "array" in self.types and "," in text:
                return [_plain(part.strip()) for part in text.split(",")]
            return text


def options_of(runnable: "Runnable") -> list[Option]:
    """Return the options of an operation or chain: inputs, parameters, and how to run it."""
    definitions = runnable.body.get("$defs", {})
    found = list(_options(runnable, runnable.body, definitions, ()))
    order = {INPUTS: 0, JOB: 9}
    return sorted(found, key=lambda one: (order.get(one.panel, 5), not one.required))


def _options(
    runnable: "Runnable", schema: Schema, definitions: Mapping[str, Schema], within: tuple[str, ...]
) -> Iterator[Option]:
    for name, described in schema.get("properties", {}).items():
        resolved = resolve(described, definitions)
        path = (*within, name)
        if not within and name in runnable.steps:
            yield from _options(runnable, resolved, definitions, path)
        elif name not in _LEFT_OUT:
            is_input = ".".join(path) in runnable.inputs
            panel = within[0] if within else PARAMETERS
            panel = INPUTS if is_input else JOB if name in _JOB_FIELDS and not within else panel
            required = name in schema.get("required", ())
            yield Option(path, panel, resolved, required and not within, is_input)


def resolve(schema: Any, definitions: Mapping[str, Schema]) -> Any:
    """Return a schema with what it refers to in place of the references."""
    if isinstance(schema, Sequence) and not isinstance(schema, str):
        return [resolve(one, definitions) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    rest = {name: resolve(one, definitions) for name, one in schema.items() if name != "$ref"}
    if "$ref" not in schema:
        return rest
    target = definitions[str(schema["$ref"]).rpartition("/")[2]]
    return {**resolve(target, definitions), **rest}


def choices(schema: Schema) -> list[Schema]:
    """Return what a schema admits, one by one, but null."""
    listed = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    flat = [one for choice in listed for one in choices(choice)] or [schema]
    return [one for one in flat if one.get("type") != "null"] or flat


def _kinds_of(schema: Schema) -> list[str]:
    """Return what stands for the values of a schema: the values themselves if they are few."""
    if named := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return [str(one) for one in named]
    if schema.get("format") == "date-time":
        return ["TIME"]
    told = {"number": "NUMBER", "integer": "INTEGER", "string": "TEXT", "array": "LIST"}
    return [told.get(str(schema.get("type")), "JSON")]


def fault_in(value: Any, schema: Schema) -> str | None:
    """Return what a value would have to be, in words, or None where it is that."""
    if "enum" in schema:
        listed = ", ".join(str(one) for one in schema["enum"])
        return None if value in schema["enum"] else f"one of {listed}"
    kind = str(schema.get("type"))
    if kind in _PYTHON and not _is_of(value, kind):
        return _WORDS[kind]
    if kind in ("number", "integer") and not _is_within(value, schema):
        return f"{_WORDS[kind]} ({limits_text(schema)})"
    return None


def limits_text(schema: Schema) -> str:
    """Return the range of a number in words: ``0 to 9``, ``above 0``; or nothing."""
    for one in choices(schema):
        low, above = one.get("minimum"), one.get("exclusiveMinimum")
        high, below = one.get("maximum"), one.get("exclusiveMaximum")
        if low is not None and high is not None:
            return f"{_figure(low)} to {_figure(high)}"
        parts = [
            f"{word} {_figure(limit)}"
            for word, limit in (
                *(("from", low), ("above", above), ("up to", high), ("below", below)),
            )
            if limit is not None
        ]
        if parts:
            return ", ".join(parts)
    return ""


def _figure(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"


def kebab(name: str) -> str:
    """Return a field's name as options are written: ``targetLufs`` is ``target-lufs``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"-\1", name).replace("_", "-").lower()


def put(body: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Put a value where it belongs in a request."""
    *within, name = path
    for part in within:
        body = body.setdefault(part, {})
    body[name] = value


_PYTHON: dict[str, type | tuple[type, ...]] = {
    "number": (int, float),
    "integer": int,
    "string": str,
    "array": list,
    "object": dict,
    "boolean": bool,
}
_WORDS = {
    "number": "a number",
    "integer": "a whole number",
    "string": "a text",
    "array": "a list",
    "object": "a JSON object",
    "boolean": "true or false",
}


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _PYTHON[kind])


def _is_within(value: float, schema: Schema) -> bool:
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and not value <= schema.get("exclusiveMinimum", float("-inf"))
        and not value >= schema.get("exclusiveMaximum", float("inf"))
    )


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
