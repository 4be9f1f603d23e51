"""A plain NumPy function becomes a graph: tracers, views and writes, captured state, call code."""
