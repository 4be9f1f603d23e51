"""The algebra: rules, by the kind of op, that make a graph smaller and keep its results."""
