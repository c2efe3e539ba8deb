"""The missing work of a study, cut into jobs and done side by side."""
