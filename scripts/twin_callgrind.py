"""Reads callgrind's output for scripts/twin: calls between functions, and instructions by function, file and line."""
import collections
import os
import re

# PHP 8.2's allocation functions; what they call among themselves counts once.
PHP_ALLOCATION = re.compile(r"_(emalloc(_\d+|_large|_huge)?|ecalloc|safe_emalloc|estrdup|estrndup|zend_mm_alloc(_\w+)?)$")
PHP_RESIZE = re.compile(r"_(erealloc2?|safe_erealloc|zend_mm_realloc(_\w+)?)$")

# Work of these goes to whoever called them.
LENT = re.compile(r"(__)?(mem(set|p?cpy|move|mem|cmp|chr)|str(len|chr))")

Profile = collections.namedtuple("Profile", "calls cost")


class Reader:
    """The grammar: valgrind manual, "Callgrind Format Specification"; names are written once and then by number."""

    def __init__(self):
        self.names = {"fn": {}, "fl": {}}
        self.calls = collections.Counter()
        self.cost = collections.Counter()
        self.function = self.file = self.callee = ""
        self.line = 0
        self.after_call = False

    def name(self, kind, text):
        match = re.match(r"\((\d+)\)(?: (.*))?$", text)
        if match is None:
            return text
        if match[2] is not None:
            self.names[kind][match[1]] = match[2]
        return self.names[kind].get(match[1], "?")

    def position(self, text):
        if text[0] == "+":
            self.line += int(text[1:])
        elif text[0] == "-":
            self.line -= int(text[1:])
        elif text != "*":
            self.line = int(text)

    def cost_line(self, line):
        fields = line.split()
        self.position(fields[0])
        count = int(fields[1]) if len(fields) > 1 else 0
        if not self.after_call:
            if not LENT.match(self.function):
                self.cost[self.function, self.file, self.line] += count
        elif LENT.match(self.callee) and not LENT.match(self.function):
            self.cost[self.function, self.file, self.line] += count
        self.after_call = False

    def read(self, stream):
        for line in stream:
            key, separator, value = line.rstrip("\n").partition("=")
            if line[0] in "0123456789+-*":
                self.cost_line(line)
            elif not separator:
                continue
            elif key == "fn":
                # Recursion levels are "name'2".
                self.function = self.name("fn", value).split("'")[0]
            elif key == "cfn":
                self.callee = self.name("fn", value).split("'")[0]
            elif key in ("fl", "fi", "fe"):
                self.file = self.name("fl", value)
            elif key in ("cfi", "cfl"):
                self.name("fl", value)
            elif key == "calls":
                self.calls[self.function, self.callee] += int(value.split()[0])
                self.after_call = True


def read(path):
    reader = Reader()
    with open(path, encoding="utf-8", errors="replace") as stream:
        reader.read(stream)
    return Profile(reader.calls, reader.cost)


def php_allocations(profile):
    """Blocks allocated; resizes and what copy on write copies are left out, as the generator's count leaves them out.

    A copied array is two blocks: its head, always by _emalloc_56, and its elements, by another function.
    """
    blocks = copies = 0
    for (caller, callee), count in profile.calls.items():
        if PHP_ALLOCATION.match(callee) and not PHP_ALLOCATION.match(caller) and not PHP_RESIZE.match(caller):
            blocks += count
            if caller == "zend_array_dup" and callee != "_emalloc_56":
                copies += count
    return blocks - 2 * copies


# ---- The harness: what each instruction was for ----

# By function, in the files that manage memory; the first that matches decides.
DUTIES = (
    ("collecting", re.compile(r"collect|cycle|mark_(?!run)|scan|gr[ae]y|white|trial|safepoint")),
    ("destroying", re.compile(r"zero_slow|dead|release|free|destroy|destruct|reset|request_end|reclaim|retire|sweep|cascade|finali[sz]|drop_(?!slow)")),
    ("counting", re.compile(r"sm_count|counts|value_copy|value_drop|candidate|root|increment|decrement")),
    ("storing", re.compile(r"store|barrier|publish|observe|write_slot")),
    ("allocating", re.compile(r"alloc|refill|resize|zero|object_init|take_block|size_class|commit|reserve")),
)
MEMORY_FILES = re.compile(r"lib/mm/")
# The model of Zend's allocator: what is not freeing there is allocating.
ALLOCATOR_FILES = re.compile(r"/zend_\w+\.[ch]$")
# Edges are asked for by whoever destroys or traces; a page is too short for a trace.
EDGE_FILES = re.compile(r"lib/vm/src/types\.c$|/sapimem/roots\.h$")
# What a counting policy does beside allocating, counting and collecting is destroying.
COUNTING_POLICY_FILES = re.compile(r"/policies/refcount/")
DEFINITION = re.compile(r"^(?:static inline |static |inline |extern )?[A-Za-z_][\w \*]*?[ \*](\w+)\([^;]*$")


def function_lines(path):
    """(first line, name) of every function of a C file, so that inlined instructions can be told apart."""
    try:
        with open(path, encoding="utf-8") as stream:
            lines = stream.readlines()
    except OSError:
        return []
    found = []
    for number, line in enumerate(lines, 1):
        match = DEFINITION.match(line)
        if match and not line.startswith(("typedef", "struct ", "enum ", "return")):
            found.append((number, match[1]))
        elif match and line.startswith("struct ") and "(" in line and "=" not in line:
            found.append((number, match[1]))
    return found


def enclosing(functions, line, otherwise):
    name = otherwise
    for first, candidate in functions:
        if first > line:
            break
        name = candidate
    return name


def duty(file, name):
    if EDGE_FILES.search(file):
        return "destroying"
    if ALLOCATOR_FILES.search(file):
        return "destroying" if DUTIES[1][1].search(name) else "allocating"
    found = next((duty for duty, pattern in DUTIES if pattern.search(name)), "other")
    return "destroying" if found == "other" and COUNTING_POLICY_FILES.search(file) else found


def shares(profile, root):
    """Instructions by what they are for; everything outside the memory library is the program's work."""
    known = {}
    parts = collections.Counter()
    for (function, file, line), count in profile.cost.items():
        if not MEMORY_FILES.search(file) and not EDGE_FILES.search(file):
            parts["work"] += count
            continue
        if file not in known:
            known[file] = function_lines(file if os.path.isabs(file) else os.path.join(root, file))
        parts[duty(file, enclosing(known[file], line, function))] += count
    return parts
