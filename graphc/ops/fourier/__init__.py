"""The discrete Fourier transform, and the program that computes it."""
