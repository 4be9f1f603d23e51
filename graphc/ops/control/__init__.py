"""Loops, branches, regions that are computed again, effects, checks."""
