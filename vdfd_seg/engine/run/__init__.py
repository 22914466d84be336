"""Running a protocol: one runner a step."""
