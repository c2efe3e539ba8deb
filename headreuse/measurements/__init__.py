"""What is measured of a checkpoint: one kind of measurement a file."""
