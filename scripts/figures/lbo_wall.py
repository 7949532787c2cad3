"""Wall-time overhead against the heap factor: lower-bound overhead (LBO) under a memory limit."""
from figures import heap_factor


def draw(results):
    return heap_factor.drawn(results, "wall", "wall time")
