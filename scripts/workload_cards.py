"""Cards of workloads for scripts/characterise: what is derived from one of `harness run --card`, and the distance to real PHP.

A card's part (boot or work) has exact counts: sizes by words of 8 bytes up to 3072, lifetimes in buckets of at most 1/64.
A measured program has its blocks by Zend's bins, and of the lifetimes seven quantiles, each as the upper edge of a bucket a
quarter of an octave wide: the exact one lies in [lower edge, upper edge).
"""
import math

QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.99)
# Kinds of a card, in the order in which the measured programs have theirs.
KINDS = ("string", "array", "object", "reference", "hash-storage", "packed-storage", "other")
MEASURED_KINDS = ("string", "array", "object", "ref", "hdata", "pdata", "other")
# A recorder hangs what lives in arrays of 64 references, which the program did not have.
HOLDER_BYTES = 1024
# What a generator is judged by, and how far blow-up and peak live may be from the program's.
ASPECTS = ("size", "lifetime", "blow-up", "peak")
RATIO_LIMIT = 0.20


# ---- Distributions ----


def quantile(buckets, survivors, fraction):
    """Upper edge of the bucket that holds the quantile; None where it is one of the survivors."""
    wanted, seen = fraction * (sum(count for _, count in buckets) + survivors), 0
    for edge, count in buckets:
        seen += count
        if seen >= wanted:
            return edge
    return None


def share_below(buckets, total, limit):
    """Share of all that is in buckets which end below `limit`."""
    return sum(count for edge, count in buckets if edge < limit) / total


def steps_of(buckets, total):
    """The distribution function as [(upper edge, share at most that)]."""
    points, seen = [], 0
    for edge, count in buckets:
        seen += count
        points.append((edge, seen / total))
    return points


def bin_counts(sizes, bins):
    """Blocks by Zend's bins, the last one open."""
    counts, index = [0] * (len(bins) + 1), 0
    for size, count in sizes:
        while size is not None and index < len(bins) and size > bins[index]:
            index += 1
        counts[len(bins) if size is None else index] += count
    return counts


def open_ended(counts, bins):
    """Measured counts by bin: what is larger than all bins, of two classes, in one."""
    return counts[:len(bins)] + [sum(counts[len(bins):])]


def size_quantile(kinds, large, fraction):
    """Of sizes rounded up to words, exact; `large`: buckets of all sizes, for those above."""
    words = {}
    for kind in kinds.values():
        for size, count in kind["sizes"]:
            words[size] = words.get(size, 0) + count
    words.pop(None, None)
    small = sorted(words.items())
    above = [[edge, count] for edge, count in large if edge > 3072]
    return quantile(small + above, 0, fraction)


def shares_up_to(counts):
    """Distribution function over bins."""
    total, seen, result = sum(counts), 0, []
    for count in counts:
        seen += count
        result.append(seen / total)
    return result


# ---- A card ----


def without_holders(sizes, holders):
    return [[size, count - holders if size == HOLDER_BYTES else count] for size, count in sizes]


def summary(document, bins, holders=0, part="work"):
    """What a card says, as figures. `holders`: arrays of a recorder, taken off the sizes and numbers of blocks."""
    work, totals = document[part], document["totals"]
    kinds = work["kinds"]
    sizes = {kind: bin_counts(without_holders(kinds[kind]["sizes"], holders if kind == "array" else 0), bins) for kind in KINDS}
    by_bin = [sum(column) for column in zip(*sizes.values())]
    blocks, survivors = sum(by_bin), work["ends"]["request"] + work["ends"]["never"]
    lifetimes = work["lifetime"]["buckets"]
    is_request = document["step_unit"] == "request"
    peak = totals["work_peak_live_bytes" if is_request else "peak_live_bytes"]
    steps = totals["steps"]
    return {
        "workload": document["workload"], "step_unit": document["step_unit"], "seed": document["seed"], "steps": steps,
        "blocks": blocks, "bytes": work["bytes"] - holders * HOLDER_BYTES,
        "mean_bytes": (work["bytes"] - holders * HOLDER_BYTES) / blocks, "clock_bytes": totals["work_clock_bytes"],
        "blocks_per_step": blocks / steps if steps else None,
        "bytes_per_step": totals["work_clock_bytes"] / steps if steps else None,
        "bin_count": by_bin, "kind_bin_count": sizes,
        "size_q": {str(q): size_quantile(kinds, work["size"]["buckets"], q) for q in QUANTILES},
        "kind_share": {kind: sum(sizes[kind]) / blocks for kind in KINDS},
        "lifetime_q": {str(q): quantile(lifetimes, survivors, q) for q in QUANTILES},
        "kind_lifetime_q": {kind: {str(q): quantile(kinds[kind]["lifetime"]["buckets"], kinds[kind]["survivors"], q)
                                   for q in QUANTILES if kinds[kind]["blocks"]} for kind in KINDS},
        "lifetimes": lifetimes, "survivor_share": survivors / work["blocks"],
        "peak_live_bytes": peak, "mean_live_bytes": totals["mean_live_bytes"],
        "blow_up": totals["work_clock_bytes"] / peak,
        "blow_up_per_step": totals["work_clock_bytes"] / steps / peak if steps else None,
        "turnover": totals["work_clock_bytes"] / totals["mean_live_bytes"],
        "step_survivor_share": totals["step_survivor_blocks"] / work["blocks"] if steps else None,
        "degree_mean": work["degree"]["total"] / work["degree"]["count"] if work["degree"]["count"] else None,
        "degree_p95": quantile(work["degree"]["buckets"], 0, 0.95) if work["degree"]["count"] else None,
        "cyclic_share": work["ends"]["cycle"] / work["blocks"], "resize_share": work["resizes"] / work["blocks"],
    }


def file_name(title):
    """Of the card with this title."""
    return "".join(c if c.isalnum() or c in "-._" else "_" for c in title) + ".json"


# ---- A measured program ----


def lower_edge(upper):
    """Where the bucket of a measured lifetime begins: quarters of an octave from 16 on, one bucket below."""
    if upper <= 16:
        return 0
    octave = 2 ** math.floor(math.log2(upper - 1))
    return upper - octave // 4


def measured(program, bins):
    """The same figures of a program of php-calibration.json, as far as it has them."""
    steps = program.get("iter")
    blocks = program["allocs"]
    kind_share = dict(zip(KINDS, program["kind_share"]))
    return {
        "blocks": blocks, "bytes": program["bytes"], "mean_bytes": program["bytes"] / blocks,
        "bin_count": open_ended(program["bin_count"], bins), "kind_share": kind_share,
        "kind_bin_count": {kind: open_ended(counts, bins) for kind, counts in zip(KINDS, program["kind_bin_count"])},
        "lifetime_q": program["lifetime_q"],
        "kind_lifetime_q": {kind: program["kind_lifetime_q"].get(name, {}) for kind, name in zip(KINDS, MEASURED_KINDS)},
        "survivor_share": program["live_end_blocks"] / blocks, "peak_live_bytes": program["peak_live"],
        "blow_up": program["clock"] / program["peak_live"],
        "blocks_per_step": steps["allocs_per_iter"] if steps else None,
        "bytes_per_step": steps["bytes_per_iter"] if steps else None,
        "blow_up_per_step": steps["bytes_per_iter"] / program["peak_live"] if steps else None,
        "step_survivor_share": steps["cross_blocks_share"] if steps else None,
        "cyclic_share": program["blocks_freed_by_gc"] / blocks, "resize_share": program["reallocs"] / blocks,
    }


def known_quantiles(program):
    """[(lower edge, upper edge, share)] of the lifetimes that did end."""
    pairs = sorted((float(share), upper) for share, upper in program["lifetime_q"].items() if upper is not None)
    return [(lower_edge(upper), upper, share) for share, upper in pairs]


def interpolated(known):
    """Measured distribution function: a line in the logarithm of the lifetime between the middles of known buckets.

    Where several quantiles share a bucket the highest counts. Below the first and above the last nothing is known.
    """
    knots = {}
    for low, high, share in known:
        knots[math.log2(1 + (low + high) / 2)] = share
    return sorted(knots.items())


def share_at(knots, lifetime):
    """None outside of what is known."""
    x = math.log2(1 + lifetime)
    for (x0, y0), (x1, y1) in zip(knots, knots[1:]):
        if x0 <= x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return None


# ---- Distances ----


def size_distance(card, program):
    """Kolmogorov-Smirnov distance over Zend's bins; exact."""
    return max(abs(a - b) for a, b in zip(shares_up_to(card["bin_count"]), shares_up_to(program["bin_count"])))


def total_blocks(card):
    return sum(count for _, count in card["lifetimes"]) / (1 - card["survivor_share"])


def lifetime_distance(card, program):
    """Distance of lifetimes, survivors as infinite: (estimate by interpolation, least that the quantiles allow).

    Held against the very program the estimate comes to 0.03 to 0.10, the least to 0.00 to 0.02. Lifetimes inside the first
    bucket are left out of it: the known share at its end says nothing of where in the bucket they are.
    """
    known = known_quantiles(program)
    knots, total = interpolated(known), total_blocks(card)
    estimate = least = abs(card["survivor_share"] - program["survivor_share"])
    for edge, share in steps_of(card["lifetimes"], total):
        expected = share_at(knots, edge) if edge + 1 >= known[0][1] else None
        if expected is not None:
            estimate = max(estimate, abs(share - expected))
    for low, high, share in known:
        least = max(least, share - share_below(card["lifetimes"], total, high),
                    share_below(card["lifetimes"], total, low) - share)
    return max(estimate, least), least


def recorded_distance(card, other):
    """Distance of lifetimes of two cards, on the edges of either."""
    ours, theirs = steps_of(card["lifetimes"], total_blocks(card)), steps_of(other["lifetimes"], total_blocks(other))
    worst = abs(card["survivor_share"] - other["survivor_share"])
    i = j = 0
    a = b = 0.0
    while i < len(ours) or j < len(theirs):
        edge = min(points[k][0] for points, k in ((ours, i), (theirs, j)) if k < len(points))
        while i < len(ours) and ours[i][0] <= edge:
            a, i = ours[i][1], i + 1
        while j < len(theirs) and theirs[j][0] <= edge:
            b, j = theirs[j][1], j + 1
        worst = max(worst, abs(a - b))
    return worst


def misses(pair, limit):
    """What of a pair is further away than wanted, in the order of ASPECTS. Lifetimes count by the exact distance where there is one."""
    exact = pair["ks_lifetime_recording"] if pair["is_exact"] else None
    found = {"size": pair["ks_size"] > limit, "lifetime": (pair["ks_lifetime"] if exact is None else exact) > limit,
             "blow-up": abs(pair["blow_up_ratio"] - 1) > RATIO_LIMIT, "peak": abs(pair["peak_live_ratio"] - 1) > RATIO_LIMIT}
    return [aspect for aspect in ASPECTS if found[aspect]]


def verdict(pair, limit):
    """"within", or "beyond" and of what. "lifetime?": the estimate is above the limit, what the quantiles prove is not."""
    is_open = not pair["is_exact"] and pair["ks_lifetime_least"] <= limit
    words = ["lifetime?" if aspect == "lifetime" and is_open else aspect for aspect in misses(pair, limit)]
    return f"beyond: {', '.join(words)}" if words else "within"


def unexplained(title, missed, reasons):
    """Lines on misses without a reason and on reasons without a miss."""
    lines = [f"{title}: {aspect} is beyond the limit, and no reason is given" for aspect in missed if not reasons.get(aspect)]
    return lines + [f"{title}: a reason is given for {aspect}, which is within the limit" for aspect in reasons if aspect not in missed]


def kind_distance(card, program):
    """Share of the blocks that would have to be of another kind."""
    return sum(abs(card["kind_share"][kind] - program["kind_share"][kind]) for kind in KINDS) / 2


def distances(card, program, recording=None, of_run=False):
    """Card against program, both as figures. Blow-up is of one step where the program has steps, otherwise, or with `of_run`, of the run."""
    ours, theirs = card["blow_up_per_step"], program["blow_up_per_step"]
    if of_run or ours is None or theirs is None or card["step_unit"] == "request":
        ours = card["blow_up"] / (card["steps"] if card["step_unit"] == "request" else 1)
        theirs = program["blow_up"]
    estimate, least = lifetime_distance(card, program)
    return {
        "ks_size": size_distance(card, program), "ks_lifetime": estimate, "ks_lifetime_least": least,
        "ks_lifetime_recording": recorded_distance(card, recording) if recording else None,
        # A request was recorded whole, of a long run a part.
        "is_exact": recording is not None and recording["step_unit"] == "request",
        # A recorder does not tell an array's storage from other bytes.
        "kind_distance": None if card["workload"].startswith("trace:") else kind_distance(card, program),
        "blow_up_ratio": ours / theirs, "peak_live_ratio": card["peak_live_bytes"] / program["peak_live_bytes"],
        "mean_bytes_ratio": card["mean_bytes"] / program["mean_bytes"],
    }
