"""The page on the columns of every table, from what each table says of itself."""

import inspect

from headreuse.tables.base import TABLES, CheckpointTable, DerivedTable, Table

HEAD = """# The columns of every table

A run folder has these tables under `tables/`, and `headreuse export` writes them as CSV. An empty cell is NaN: it does
not apply, or was not measured.
"""


def columns_page() -> str:
    """Markdown: a section for each table, in the order of their names."""
    return "\n".join([HEAD, *(_section(TABLES[name]) for name in sorted(TABLES))])


def _section(table: Table) -> str:
    rows = [f"| `{name}` | {meaning.replace('|', '/')} |" for name, meaning in table.columns.items()]
    return "\n".join([f"## {table.name}", "", _about(table), "", "| column | what it is |", "|---|---|", *rows, ""])


def _about(table: Table) -> str:
    module = inspect.getmodule(_function(table))
    first = inspect.getdoc(module).partition("\n\n")[0] if module else ""
    return " ".join(first.split())


def _function(table: Table) -> object:
    if isinstance(table, CheckpointTable):
        return table.rows
    return table.derive if isinstance(table, DerivedTable) else table.make
