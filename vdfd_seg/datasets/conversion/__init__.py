"""From official archives to the folders and arrays that configs read."""
