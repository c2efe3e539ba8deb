"""What a study asks for: its file, checked, with its groups unfolded."""
