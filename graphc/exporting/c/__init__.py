"""Graphs -> C libraries, which need neither Python nor graphc."""
