"""What the paper is made from: the reference results, and the constants that the sources define."""
import dataclasses
import importlib.machinery
import importlib.util
import json
import pathlib
import re

import result_set
from measured_runs import ROOT, BadInput

# File in the folder of results, whether the paper can do without it, and the command that makes it.
BUNDLE = "harness sweep {} --out=DIR, then scripts/pack-results DIR --out={}"
FILES = {
    "epoch.jsonl.xz": (True, BUNDLE.format("--policies=epoch ...", "FILE")),
    "rivals.jsonl.xz": (True, BUNDLE.format("--policies='A;B' --heap-factors='2;3' ...", "FILE")),
    "cards/distances.json": (True, "scripts/characterise --out=DIR/cards, which writes DIR/cards/distances.json"),
    "arena-shapes.json": (True, "scripts/arena-shapes --out=DIR, which writes DIR/arena-shapes.json"),
    "linked-compare.json": (False, "scripts/linked-compare --json=FILE"),
    "pauses.json": (False, "scripts/pauses --json=FILE"),
    "gate.json": (False, "scripts/gate-trials --json=FILE"),
    "always.jsonl.xz": (False, BUNDLE.format("--policies=epoch '--pacing=always;fixed:16M' ...", "FILE")),
    "stalls.jsonl.xz": (False, BUNDLE.format("--policies=epoch --stall=SPEC ...", "FILE")),
    "scaling.jsonl.xz": (False, BUNDLE.format("--policies=epoch --collector-threads=N ...", "FILE")),
}
POLICY_TABLE_COMMAND = "scripts/policy-table --out=DIR, which writes DIR/policy-table.json"


@dataclasses.dataclass(frozen=True)
class Sources:
    calibration: dict
    counterparts: dict
    policy_table: dict
    epoch: list  # of result_set.Run
    rivals: list
    distances: dict
    arena_shapes: dict
    linked: dict  # None where it was not measured, as the next ones
    pauses: dict
    gate: dict
    always: list  # of result_set.Run, as the next two
    stalls: list
    scaling: list
    digests: tuple  # (file, its place from the root, where it lies in it, and what made it)


def script(name):
    """A script's own functions: what it prints is not to be worked out a second time."""
    path = str(ROOT / "scripts" / name)
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def present(path, command):
    if not path.is_file():
        raise BadInput(f"{path} is missing: it is made by {command}")
    return path


def read_json(path, command):
    try:
        document = json.loads(present(path, command).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise BadInput(f"{path}: expected the JSON document of {command}: {problem}") from None
    if not isinstance(document, dict):
        raise BadInput(f"{path}: expected the JSON document of {command}")
    return document


def read(results, policy_table):
    """All sources; `results` is the folder of reference results. BadInput names what is missing and what makes it."""
    for name, (is_needed, command) in FILES.items():
        if is_needed:
            present(results / name, command)

    def optional(name):
        return read_json(results / name, FILES[name][1]) if (results / name).exists() else None

    def bundle(name):
        return result_set.load([results / name]) if (results / name).exists() else None

    return Sources(
        calibration=read_json(ROOT / "workloads/php-calibration.json", "the study of PHP"),
        counterparts=read_json(ROOT / "workloads/counterparts.json", "hand"),
        policy_table=read_json(policy_table, POLICY_TABLE_COMMAND),
        epoch=bundle("epoch.jsonl.xz"), rivals=bundle("rivals.jsonl.xz"),
        distances=read_json(results / "cards/distances.json", FILES["cards/distances.json"][1]),
        arena_shapes=read_json(results / "arena-shapes.json", FILES["arena-shapes.json"][1]),
        linked=optional("linked-compare.json"), pauses=optional("pauses.json"), gate=optional("gate.json"),
        always=bundle("always.jsonl.xz"), stalls=bundle("stalls.jsonl.xz"), scaling=bundle("scaling.jsonl.xz"),
        digests=tuple((name, "made" if (results / name).exists() else "absent", command.partition(",")[0])
                      for name, (_, command) in FILES.items()))


# ---- Constants of the design ----

EPOCH, ARENA, REFCOUNT = "lib/mm/policies/epoch", "lib/mm/policies/arena", "lib/mm/policies/refcount"
KIB, MIB = 2**10, 2**20
# Name in the text: file, what stands before the number there, what the number is divided by.
CONSTANTS = {
    "block-kib": (f"{EPOCH}/slab.h", r"EPOCH_BLOCK_BYTES = ", KIB),
    "slab-blocks": (f"{EPOCH}/slab.h", r"EPOCH_SLAB_BLOCKS = ", 1),
    "slab-first-block": (f"{EPOCH}/slab.h", r"EPOCH_FIRST_BLOCK = ", 1),
    "granule-bytes": (f"{EPOCH}/slab.h", r"EPOCH_GRANULE_BYTES = ", 1),
    "shared-max-kib": (f"{EPOCH}/slab.h", r"EPOCH_SHARED_MAX_BYTES = ", KIB),
    "chunk-elements": (f"{EPOCH}/chunks.h", r"EPOCH_CHUNK_ELEMENTS = ", 1),
    "nursery-min-kib": (f"{EPOCH}/epoch_internal.h", r"define EPOCH_NURSERY_MIN_BYTES ", KIB),
    "nursery-max-mib": (f"{EPOCH}/epoch.c", r'"nursery",.*?default_text = "', MIB),
    "young-looked-at-max": (f"{EPOCH}/young.c", r"LOOKED_AT_MAX = ", 1),
    "slice-min": (f"{EPOCH}/beside.c", r"SLICE_MIN = ", 1),
    "slice-max": (f"{EPOCH}/beside.c", r"SLICE_MAX = ", 1),
    "log-entries": (f"{EPOCH}/log.h", r"EPOCH_LOG_CHUNK_ENTRIES = ", 1),
    "zend-bins": (f"{REFCOUNT}/zend_bins.h", r"ZEND_BIN_COUNT = ", 1),
    "zend-chunk-mib": (f"{REFCOUNT}/zend_chunk.h", r"ZEND_CHUNK_BYTES = ", MIB),
    "zend-roots": ("lib/mm/src/pacing.c", r"define ROOTS_DEFAULT ", 1),
    "zend-step": (f"{REFCOUNT}/collect.c", r"THRESHOLD_STEP = ", 1),
    "zend-trigger": (f"{REFCOUNT}/collect.c", r"THRESHOLD_TRIGGER = ", 1),
    "arena-chunk-kib": (f"{ARENA}/arena.c", r'"chunk", SM_OPTION_SIZE, "bytes", "', KIB),
    "arena-reuse-after-kib": (f"{ARENA}/arena.c", r'"reuse-after", SM_OPTION_SIZE, "bytes", "', KIB),
    "opcodes-per-operation": ("workloads/mutator_work.h", r"MUTATOR_OPCODES_PER_OPERATION = ", 1),
    "replicates": ("scripts/intervals.py", r"REPLICATES = ", 1),
    "pause-limit-ms": ("scripts/recommend", r'"pause-limit": "', 1),
    "cpu-slack-percent": ("scripts/recommend", r'"cpu-slack": "', 1),
    "ks-limit": ("scripts/characterise", r'"limit-ks": "', 1),
    "ratio-limit": ("scripts/workload_cards.py", r"RATIO_LIMIT = ", 1),
}
# Digits with a unit of 1024, a product, or C's UINT64_C(512) << 10.
NUMBER = re.compile(r"(?:UINT64_C\((?P<base>\d+)\) << (?P<shift>\d+)|(?P<product>\d+(?: \* \d+)+)|(?P<size>[\d.]+)(?P<unit>[KMG]?))")
UNITS = {"": 1, "K": KIB, "M": MIB, "G": 2**30}


def value_of(text):
    """The number that `text` begins with; None where it does not."""
    found = NUMBER.match(text.lstrip("("))
    if not found:
        return None
    if found["base"]:
        return int(found["base"]) << int(found["shift"])
    if found["product"]:
        factors = [int(factor) for factor in found["product"].split(" * ")]
        result = 1
        for factor in factors:
            result *= factor
        return result
    return float(found["size"]) * UNITS[found["unit"]]


def constant(name):
    """A constant of the design, as its source defines it."""
    path, before, divisor = CONSTANTS[name]
    found = re.search(before, (ROOT / path).read_text(encoding="utf-8"), re.DOTALL)
    value = value_of((ROOT / path).read_text(encoding="utf-8")[found.end():]) if found else None
    if value is None:
        raise BadInput(f"{path}: expected a number behind '{before}', the paper's constant {name}")
    return value / divisor
