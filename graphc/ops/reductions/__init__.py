"""Along axes: sums and extremes, running results, orders."""
