"""Keeping a mirror of a run as a release store in a folder, and recording when each thing was seen."""
