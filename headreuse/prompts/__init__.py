"""How an example becomes token ids with roles: the door for tokens of another kind."""
