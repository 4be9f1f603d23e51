"""Products, and what LAPACK computes of matrices."""
