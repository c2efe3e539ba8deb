"""What the commands share: what they take on the command line, the stages of their work, how they end."""
