"""Every key of a study file as tables, from the schema that editors read."""

from collections.abc import Mapping
from typing import Any

from headreuse.study.schema import schema

Schema = Mapping[str, Any]
LIMITS = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
LARGEST = 10_000
"""Limits above this keep a machine from harm; nobody needs to be told them."""


def settings_tables() -> str:
    """Markdown: a section for each table of a study file, a row for each key."""
    whole = schema()
    parts = whole["$defs"]
    group = parts["Group"]["properties"]
    sections = {
        "At the top": whole,
        "The model: `[model]`": parts["ModelSpec"],
        "Attention to chunks: `chunks` of a model": parts["ChunkSpec"],
        "The training: `[training]`": parts["TrainingSpec"],
        "Which steps: `checkpoints` of a training": parts["CheckpointSchedule"],
        "Low rank: `lora` of a training": parts["LoraSpec"],
        "What is measured: `[measures]`": parts["MeasureSpec"],
        "The question: `[primary]`": parts["Primary"],
        "A group: `[[groups]]`": parts["Group"],
        "A task: `main`, and each of `auxiliary`": parts["TaskRange"],
        "A series: `series` and `start`": group["series"]["anyOf"][0],
        "Part of a series: `revisions`": parts["SeriesSpec.Revisions"],
    }
    return "\n".join(_section(title, part) for title, part in sections.items())


def _section(title: str, part: Schema) -> str:
    rows = [
        f"| `{key}` | {_values(of_key)} | {_default(of_key)} | {_cell(of_key.get('description', ''))} |"
        for key, of_key in part["properties"].items()
    ]
    head = ["| key | values | if left out | what it is |", "|---|---|---|---|"]
    return "\n".join([f"### {title}", "", *head, *rows, ""])


def _values(part: Schema) -> str:
    if "$ref" in part or "properties" in part:
        return "a table"
    if "enum" in part:
        return ", ".join(f"`{choice}`" for choice in part["enum"])
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(_values(choice) for choice in part["anyOf"] if choice.get("type") != "null"))
    if part["type"] == "array":
        return f"list of: {_values(part.get('items') or part['prefixItems'][0])}"
    if part["type"] == "object":
        return "a table"
    limits = [said.format(part[key]) for key, said in LIMITS.items() if abs(part.get(key, LARGEST + 1)) <= LARGEST]
    return " ".join([TYPES[part["type"]], *limits])


def _default(part: Schema) -> str:
    default = part.get("default")
    if default in (None, [], "") or isinstance(default, dict):
        return ""
    if isinstance(default, list):
        return ", ".join(f"`{entry}`" for entry in default)
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")
