"""Files, paths, signals and other helpers that every package uses."""
