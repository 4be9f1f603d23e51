"""Convolutions: one op, and its derivative by the weights; by the input it is one itself."""
