"""Matrix products: generated ones, and calls of BLAS."""
