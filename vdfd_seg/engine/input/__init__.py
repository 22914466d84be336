"""From a config and a data set to checked settings."""
