"""What generated kernels are written with: memory, instructions, scalar helpers. Needs Numba."""
