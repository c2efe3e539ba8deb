"""From measurements to tables: one table a file."""
