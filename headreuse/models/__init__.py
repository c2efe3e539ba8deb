"""Decoders: built from scratch, saved and loaded, and where their heads are."""
