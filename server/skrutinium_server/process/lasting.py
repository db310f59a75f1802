"""What a process holds as long as it lives: the definition with a country's candidates, and the empty tally of it."""

import gc


def keep_out_of_collections() -> None:
    """Take everything that lives now out of the garbage collector's sight.

    Walking through a country's definition stops a process for a quarter of a second, in the middle of a night.
    """
    gc.collect()
    gc.freeze()
