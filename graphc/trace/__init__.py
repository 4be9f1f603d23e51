"""A plain NumPy function becomes a graph: tracers, views and writes, captured state, call code.

Importing this package makes every handler known: operators, indexing, gradients, loops.
"""
