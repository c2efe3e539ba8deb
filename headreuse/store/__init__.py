"""A run folder on disk; the only room that knows a file name."""
