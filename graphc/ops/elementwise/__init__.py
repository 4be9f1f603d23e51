"""Each output element from the operands' elements at the same index: arithmetic and functions."""
