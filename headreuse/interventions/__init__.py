"""What would the model answer without these heads? `z` replaced, and everything that follows worked out anew."""
