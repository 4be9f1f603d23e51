"""Elementary functions as polynomials, for loops that vectorise."""
