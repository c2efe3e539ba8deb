"""What would the model answer without these heads? `z` is replaced, and everything that follows is computed again."""
