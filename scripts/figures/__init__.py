"""The figures of scripts/plot: a module each. `draw(results)` gives (figure, caption, legend handles) or raises Missing.

The first line of a module's docstring is what `scripts/plot --list` says of it.
"""
# Module by name, in the order in which they are drawn.
NAMES = {
    "footprint": "footprint", "pause-ccdf": "pause_ccdf", "bmu": "bmu", "pareto": "pareto", "lbo-cpu": "lbo_cpu", "lbo-wall": "lbo_wall",
    "backlog": "backlog", "pause-live": "pause_live", "scaling": "scaling", "workloads": "workloads", "garbage-pause": "garbage_pause",
    "regret": "regret", "timeline": "timeline",
}
