"""Graph -> groups: which operations share a loop nest, and which groups join a matrix product."""
