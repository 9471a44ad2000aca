"""Every row of every machine, fired once and judged: the stored walks, their steps, and the search for them."""
