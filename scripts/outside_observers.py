"""What others saw of a run of the harness: strace of its stops, /usr/bin/time and /proc of its memory.

Around each stop the manager reads how long its thread waited for a CPU (/proc/thread-self/schedstat), right before the first
and right after the last look at the clock. Whoever traces the process sees the two calls, with times of its own; and the
harness reads the same file once before the first step and once after the last, which says where the work begins and ends.
"""
import os
import re
import shutil
import signal
import subprocess
import time

from measured_runs import BadInput, Skip

CALL = re.compile(r"^(?P<thread>\d+) +(?P<at>\d+\.\d+) (?P<name>pread64|read)\(\d+<[^>]*/schedstat>, \"(?P<text>[^\"]*)\".*"
                  r"<(?P<took>\d+\.\d+)>$")
PEAK = re.compile(r"Maximum resident set size \(kbytes\): (\d+)")
ROLLUP = re.compile(r"^Rss: +(\d+) kB", re.MULTILINE)


def tool(path):
    """Where a program is; Skip when the machine has none."""
    found = shutil.which(path)
    if not found:
        raise Skip(f"{path} is not installed")
    return found


def nanoseconds(text):
    """Of "1796075269.589709061", exactly."""
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0"))


def stops(lines):
    """Nanoseconds of each stop of the work, from what strace wrote: from the return of one call to the entry of the next."""
    begin_ns, durations, is_work, marks = None, [], False, 0
    for call in filter(None, map(CALL.match, lines)):
        if call["name"] == "read":
            # The second read of the same file meets its end.
            if call["text"]:
                marks += 1
                is_work = marks == 1
        elif not is_work:
            continue
        elif begin_ns is None:
            begin_ns = nanoseconds(call["at"]) + nanoseconds(call["took"])
        else:
            durations.append(nanoseconds(call["at"]) - begin_ns)
            begin_ns = None
    if marks != 2 or begin_ns is not None:
        raise BadInput(f"the trace of calls is not whole: {marks} marks of 2")
    return durations


def traced_stops(command, trace):
    """Run `command` under strace, which writes to the path `trace`; the stops that it saw."""
    strace = [tool("strace"), "-f", "-y", "-T", "--absolute-timestamps=format:unix,precision:ns", "-e", "trace=pread64,read",
              "-o", str(trace)]
    done = subprocess.run([*strace, *command], capture_output=True, text=True)
    if done.returncode != 0:
        line = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        # Its own lines say that it may not trace; others are the program's.
        raise Skip(line) if "strace:" in line else BadInput(line)
    return stops(trace.read_text(encoding="utf-8", errors="replace").splitlines())


def resident(process):
    """Resident bytes by smaps_rollup; None when the process has gone."""
    try:
        with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:
            found = ROLLUP.search(file.read())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(found[1]) * 1024 if found else None


def child_of(process):
    """The only child of `process`; None before it has one, or after."""
    try:
        with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
            children = file.read().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(children[0]) if children else None


def watched_memory(command, every_seconds=0.01):
    """Run `command` under /usr/bin/time; (its peak in bytes, all that smaps_rollup said meanwhile)."""
    timed = subprocess.Popen([tool("/usr/bin/time"), "-v", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             text=True, env={**os.environ, "LC_ALL": "C"})
    samples = []
    try:
        while timed.poll() is None:
            child = child_of(timed.pid)
            sample = resident(child) if child else None
            if sample:
                samples.append(sample)
            time.sleep(every_seconds)
    except BaseException:
        timed.send_signal(signal.SIGTERM)
        timed.wait()
        raise
    text = timed.stderr.read()
    found = PEAK.search(text)
    if timed.returncode != 0 or not found:
        raise BadInput(f"/usr/bin/time: {(text.strip().splitlines() or ['no output'])[0]}")
    return int(found[1]) * 1024, samples
