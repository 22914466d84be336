"""The single home of the package version."""

__version__ = "0.1.0"
