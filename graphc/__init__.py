"""graphc: a JIT-compiled graph compiler for plain NumPy functions."""
