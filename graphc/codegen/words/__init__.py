"""Native code that is no kernel, in plain functions of words: steps, caller, pool, store."""
