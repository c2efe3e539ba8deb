"""Train one model jointly on the tasks of a group."""
