#!/usr/bin/env python3
"""Measures Convoke and writes what it measured into docs/PERFORMANCE.md.

    python3 benches/performance.py                     measures everything: half an hour on an idle machine, and building before it
    python3 benches/performance.py --only memory idle  measures some parts; the page's other tables stay as they are
    python3 benches/performance.py --read              measures nothing: writes criterion's last results into the page
    python3 benches/performance.py --list              says which parts there are

Each part owns what stands between `<!-- measured: PART -->` and `<!-- end -->` on the page. A part that could not be
measured says so there, and why; a figure that is not in the results is shown as "not measured". Nothing is estimated.

It needs Rust and Python's standard library; counting instructions needs valgrind besides.
"""

import argparse
import json
import math
import os
import platform
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import stalls as stalling

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "PERFORMANCE.md"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = TARGET / "release" / "convoke"
SERVE = [BINARY, "serve", "--listen", "127.0.0.1:0", "--insecure-any-user", "--no-rate-limits"]
MIB = 1024 * 1024


class NotMeasured(Exception):
    """Why a part has no figures."""


# ---- how figures are taken ------------------------------------------------------------------------------------------


def finished(command, **options):
    """Runs a command to its end; what it took, as the operating system accounts for it and its children."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    elapsed = time.monotonic() - began
    if process.returncode != 0:
        tail = said.decode(errors="replace").strip().splitlines()[-5:]
        raise NotMeasured(f"`{shown(command)}` ended with {process.returncode}: {' / '.join(tail)}")
    return {
        "said": said.decode(errors="replace"),
        "user": usage.ru_utime,
        "elapsed": elapsed,
        # Linux counts in KiB, macOS in bytes.
        "rss": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def repeated(command, runs):
    """The medians of several runs after one that is not counted, and the spread of the elapsed time."""
    finished(command)
    all_runs = [finished(command) for _ in range(runs)]
    result = {key: statistics.median(run[key] for run in all_runs) for key in ("user", "elapsed", "rss")}
    result["least"], result["most"] = (pick(run["elapsed"] for run in all_runs) for pick in (min, max))
    result["said"] = all_runs[-1]["said"]
    return result


def shown(command):
    """A command as a reader would type it."""
    words = [str(word) for word in command]
    return " ".join(word.replace(str(BINARY), "convoke") for word in words)


def build():
    subprocess.run(["cargo", "build", "--locked", "--release", "--bin", "convoke"], cwd=ROOT, check=True)


def bench(name, *arguments):
    """Runs one criterion bench; its results are on the disk afterwards."""
    if not READ_ONLY:
        subprocess.run(["cargo", "bench", "--locked", "--bench", name, "--", *arguments], cwd=ROOT, check=True)


def criterion():
    """Criterion's last results, by full id: nanoseconds an iteration, and elements in it."""
    results = {}
    for path in sorted((TARGET / "criterion").glob("**/new/estimates.json")):
        about = json.loads((path.parent / "benchmark.json").read_text())
        estimates = json.loads(path.read_text())
        throughput = about.get("throughput") or {}
        results[about["full_id"]] = {
            "median": estimates["median"]["point_estimate"],
            "low": estimates["median"]["confidence_interval"]["lower_bound"],
            "high": estimates["median"]["confidence_interval"]["upper_bound"],
            "elements": throughput.get("Elements"),
            "bytes": throughput.get("Bytes"),
        }
    return results


# ---- how figures are written ----------------------------------------------------------------------------------------


def duration(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{significant(nanoseconds / size)} {unit}"
    return f"{significant(nanoseconds)} ns"


def significant(value):
    """Three digits: no more are repeatable."""
    if value >= 100:
        return f"{round(value):,}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def per_second(result):
    if result is None or not result["elements"]:
        return "not measured"
    rate = result["elements"] / (result["median"] / 1e9)
    return f"{significant(rate / 1e6)} M/s" if rate >= 1e6 else f"{significant(rate / 1e3)} k/s"


def median(result):
    return "not measured" if result is None else duration(result["median"])


def spread(result):
    return "" if result is None else f"{duration(result['low'])} to {duration(result['high'])}"


def ratio(one, other):
    """How many times as fast the first is as the second."""
    return "not measured" if one is None or other is None else f"{other['median'] / one['median']:.2f}"


def mib(size):
    return f"{size / MIB:,.0f} MiB"


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join(" --- " for _ in heads) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def code(command):
    return f"`{shown(command)}`"


# ---- the parts ------------------------------------------------------------------------------------------------------


def simulator():
    bench("simulator", "simulator/busy")
    results = criterion()
    rows = []
    for devices in ("10", "100", "1000", "100000"):
        traced, judged = (
            results.get(f"simulator/busy/{devices} devices, {what}") for what in ("trace only", "trace and checks")
        )
        rows.append([f"{int(devices):,}", per_second(traced), per_second(judged), spread(judged)])
    heads = ["devices", "messages a second, with trace", "with trace and checks", "one run, 95 % of medians"]
    return "`cargo bench --bench simulator -- simulator/busy`\n\n" + table(heads, rows)


def instructions():
    """What one more message costs: a run of twice as many rounds, less a run of as many."""
    if READ_ONLY:
        raise NotMeasured("--read counts nothing")
    if subprocess.run(["sh", "-c", "command -v valgrind"], capture_output=True).returncode != 0:
        raise NotMeasured("there is no valgrind here")
    executable = bench_executable("once")
    rows = []
    for devices, rounds in ((999, 10), (9_999, 2)):
        for what in ("trace", "checks"):
            few, many = (counted(executable, devices, n, what) for n in (rounds, 2 * rounds))
            each = (many["instructions"] - few["instructions"]) / (many["messages"] - few["messages"])
            rows.append([f"{devices + 1:,}", f"with {what}", f"{each:,.0f}"])
    command = "valgrind --tool=callgrind target/release/deps/once-… busy DEVICES ROUNDS trace|checks"
    return f"`{command}`, twice\n\n" + table(["devices", "", "instructions a message"], rows)


def bench_executable(name):
    built = subprocess.run(
        ["cargo", "bench", "--locked", "--bench", name, "--no-run", "--message-format=json"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == name:
            return message["executable"]
    raise NotMeasured(f"cargo names no executable of the bench {name}")


def counted(executable, devices, rounds, what):
    out = TARGET / "callgrind.out"
    words = ["busy", str(devices), str(rounds), what]
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", executable, *words]
    said = finished(command)["said"]
    messages = json.loads(next(line for line in said.splitlines() if line.startswith("{")))["messages"]
    instructions = int(re.search(r"^summary:\s+(\d+)", out.read_text(), re.M).group(1))
    return {"messages": messages, "instructions": instructions}


def memory():
    if READ_ONLY:
        raise NotMeasured("--read runs nothing")
    build()
    command = [BINARY, "run", "benches/scenarios/a-million-devices.yaml", "--ci"]
    run = repeated(command, 3)
    said = run["said"]
    messages = re.search(r"([\d,]+) messages", said)
    rows = [
        ["elapsed", f"{run['elapsed']:.1f} s ({run['least']:.1f} to {run['most']:.1f})", "30 s"],
        ["user time", f"{run['user']:.1f} s", ""],
        ["most memory", f"{mib(run['rss'])}, {run['rss'] / 1e6:,.0f} bytes a device", f"{mib(2048 * MIB)}"],
        ["messages", messages.group(1) if messages else "not said", ""],
    ]
    return f"{code(command)}, the median of 3 runs\n\n" + table(["", "measured", "wanted at most"], rows)


def sweep():
    if READ_ONLY:
        raise NotMeasured("--read runs nothing")
    build()
    cores = os.cpu_count() or 1
    if cores < 2:
        raise NotMeasured("this machine has one processor")
    command = [BINARY, "run", "scenarios", "--ci", "--seeds", "20", "--jobs"]
    finished([*command, "2"])
    # In turn, so that a machine whose speed drifts drifts for both.
    pairs = [(finished([*command, "1"]), finished([*command, "2"])) for _ in range(5)]
    one, two = (statistics.median(pair[side]["elapsed"] for pair in pairs) for side in (0, 1))
    ratios = sorted(pair[0]["elapsed"] / pair[1]["elapsed"] for pair in pairs)
    rows = [
        ["one thread", f"{one:.2f} s", ""],
        ["two threads", f"{two:.2f} s", ""],
        ["as fast, pair by pair", f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", "1.9"],
    ]
    return f"{code([*command, '1|2'])}, 5 pairs in turn\n\n" + table(["", "measured", "wanted at least"], rows)


def idle():
    bench("simulator", "mostly idle")
    results = criterion()
    rows = []
    for devices in (100, 1_000, 10_000):
        result = results.get(f"simulator/a virtual day, mostly idle/{devices} devices")
        each = "not measured" if result is None else duration(result["median"] / devices)
        rows.append([f"{devices:,}", median(result), each])
    heads = ["devices", "a virtual day takes", "a device"]
    return "`cargo bench --bench simulator -- 'mostly idle'`\n\n" + table(heads, rows)


def serve():
    bench("serve")
    results = criterion()
    echo = results.get("serve/calls over loopback/a bare echo of the same sizes")
    rows = []
    for name, wanted in (("a bare echo of the same sizes", ""), ("in memory", "0.5"), ("with a journal", "0.25")):
        result = results.get(f"serve/calls over loopback/{name}")
        rows.append([name, per_second(result), ratio(result, echo), wanted])
    heads = ["", "calls a second", "as many as the echo", "wanted at least"]
    return "`cargo bench --bench serve`, both ends on one machine\n\n" + table(heads, rows)


def peers():
    bench("peers")
    results = criterion()
    rows = []
    for devices in ("99", "999"):
        ours = results.get(f"peers/busy/the simulator, protocol and trace/{devices}")
        for name in (
            "the simulator, protocol and trace",
            "tokio, paused clock, messages alone",
            "turmoil on one host, messages alone",
        ):
            peer = results.get(f"peers/busy/{name}/{devices}")
            rows.append([f"{devices} devices", name, per_second(peer), ratio(ours, peer)])
    world = results.get("peers/busy/the world turmoil, the same protocol and trace/99")
    ours = results.get("peers/busy/the simulator, protocol and trace/99")
    each = [None if of is None else {"median": of["median"] / of["elements"]} for of in (ours, world)]
    name = "the world `turmoil`, protocol and trace"
    rows.append(["99 devices", name, per_second(world), ratio(*each)])
    heads = ["", "", "messages a second", "the simulator is as fast, times"]
    return "`cargo bench --bench peers`\n\n" + table(heads, rows)


def connections():
    """What an idle session over WebSocket holds in the server's memory."""
    if READ_ONLY:
        raise NotMeasured("--read runs nothing")
    if sys.platform != "linux":
        raise NotMeasured("a process's memory is read from /proc")
    build()
    count = 5_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 100:
        raise NotMeasured(f"this process may hold only {hard} files open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 100), hard))
    sockets = []
    server, address = started_server()
    try:
        # The first hundred pay for what there is once.
        sockets += [logged_in(address, number) for number in range(100)]
        before = resident(server.pid)
        sockets += [logged_in(address, number) for number in range(100, 100 + count)]
        after = resident(server.pid)
    finally:
        for one in sockets:
            one.close()
        server.kill()
        server.wait()
    each = (after - before) / count
    rows = [[f"{count:,}", f"{each / 1024:.1f} KiB", "20 KiB"]]
    heads = ["connections", "a logged-in, idle connection", "wanted at most"]
    return f"{code(SERVE)}, its resident memory (`/proc/PID/statm`)\n\n" + table(heads, rows)


def started_server():
    """A server of our own, and where it listens."""
    server = subprocess.Popen(SERVE, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while line := server.stdout.readline():
        if found := re.search(r"ws://127\.0\.0\.1:(\d+)/", line):
            return server, ("127.0.0.1", int(found.group(1)))
    server.wait()
    raise NotMeasured("the server does not say where it listens")


def resident(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def logged_in(address, number):
    """A WebSocket on which a device has logged in, by hand: that is all the WebSocket that is needed here."""
    stream = socket.create_connection(address)
    stream.sendall(
        b"GET /v1 HTTP/1.1\r\nHost: convoke\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Protocol: convoke.v1\r\n\r\n"
    )
    received = b""
    while b"\r\n\r\n" not in received:
        received += more(stream)
    login = {"type": "login", "userId": f"user-{number}", "deviceId": "phone", "platform": "phone", "userSig": ""}
    text = json.dumps(login).encode()
    assert 125 >= len(text), "a frame with a short length"
    # A client masks what it sends; with a mask of zeros the text stays as it is.
    stream.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
    received = received.split(b"\r\n\r\n", 1)[1]
    while b"loggedIn" not in received:
        received += more(stream)
    return stream


def more(stream):
    received = stream.recv(4096)
    if not received:
        raise NotMeasured("the server closed a connection")
    return received


def knee():
    """The highest rate that a server keeps, by five searches."""
    if READ_ONLY:
        raise NotMeasured("--read runs nothing")
    build()
    command = [BINARY, "load", "serve", "answered", "--find-knee", "--repeat", "5", "--rate", "400", "--duration", "3s"]
    said, result = loaded([*command, "--warm-up", "1s"])
    rows = []
    for number, search in enumerate(result["searches"], 1):
        good, bad = search.get("lastGood"), search.get("firstBad")
        last = next((probe for probe in search["probes"] if probe["rate"] == good), None)
        first = next((probe for probe in search["probes"] if probe["rate"] == bad), None)
        rows.append(
            [
                number,
                "none" if last is None else f"{good:,.0f}",
                "" if last is None else f"{last['callP99Ms']:.1f} ms",
                "none" if first is None else f"{bad:,.0f}",
                "" if first is None else "; ".join(first["broke"] + first["generator"]),
            ]
        )
    heads = ["search", "last good rate", "its p99 of a call", "first bad rate", "what broke there"]
    # What is said after the last search is of all of them.
    lines = said.strip().splitlines()
    last = max((index for index, line in enumerate(lines) if line.startswith("search ")), default=-1)
    concluded = "; ".join(line.strip() for line in lines[last + 1 :])
    return f"{code([*command, '--warm-up', '1s'])}\n\n{table(heads, rows)}\n\n> {concluded}"


def loaded(command):
    """What a `convoke load` said, and its result; it may end with 1, since a broken threshold is a result too."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        ended = subprocess.run([*command, "--json", file], cwd=folder, capture_output=True, text=True)
        if ended.returncode not in (0, 1) or not file.exists():
            tail = " / ".join(ended.stderr.strip().splitlines()[-3:])
            raise NotMeasured(f"`{shown(command)}` ended with {ended.returncode}: {tail}")
        return ended.stdout, json.loads(file.read_text())


def stalls():
    """A server that stalls for 200 ms of every second, measured from the plan and from sending."""
    if READ_ONLY:
        raise NotMeasured("--read runs nothing")
    build()
    server, address = started_server()
    try:
        proxy = stalling.Proxy(address)
        url = "ws://{}:{}/v1".format(*proxy.address)
        words = ["rejected", "--rate", "200", "--duration", "20s", "--warm-up", "2s", "--population", "1"]
        _, result = loaded([BINARY, "load", url, *words])
    finally:
        server.kill()
        server.wait()
    call = result["latencies"]["call"]
    rows = [
        [name] + [f"{quantile(call[side], share):.1f} ms" for side in ("fromPlanned", "fromSent")]
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))
    ]
    command = code([BINARY, "load", "ws://PROXY/v1", *words])
    proxied = "through `python3 benches/stalls.py`, which lets nothing pass for the first 200 ms of every second"
    return f"{command} {proxied}\n\n" + table(["a whole call", "from the planned moment", "from sending"], rows)


def quantile(histogram, share):
    """In milliseconds; a histogram is written as pairs of microseconds and how often."""
    left = math.ceil(share * sum(count for _, count in histogram))
    for value, count in histogram:
        left -= count
        if left <= 0:
            return value / 1000
    raise NotMeasured("nothing was measured")


def layers():
    for name in ("codec", "service", "checks", "scenarios"):
        bench(name)
    elsewhere = ("simulator/", "serve/calls", "peers/")
    rows = [
        [name, duration(result["median"]), per_second(result) if result["elements"] else ""]
        for name, result in criterion().items()
        if not name.startswith(elsewhere)
    ]
    if not rows:
        raise NotMeasured("criterion has left no results here")
    return "`cargo bench`, everything that has no table of its own\n\n" + table(["", "median", "elements a second"], rows)


PARTS = {
    part.__name__: part
    for part in (simulator, instructions, peers, idle, memory, sweep, serve, connections, knee, stalls, layers)
}


# ---- the page -------------------------------------------------------------------------------------------------------


def machine():
    """Where and when, in a line."""
    if READ_ONLY:
        newest = max(path.stat().st_mtime for path in (TARGET / "criterion").glob("**/new/estimates.json"))
        day = time.strftime("%Y-%m-%d", time.gmtime(newest))
        return f"Read from files that criterion left on {day}; they do not say of which commit or machine"
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next((line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line), cpu)
    said = lambda *command: subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    commit = said("git", "rev-parse", "--short", "HEAD") or "no commit"
    if said("git", "status", "--porcelain", "--untracked-files=no", "--", "src", "Cargo.toml", "Cargo.lock"):
        commit += " with changes"
    rust = " ".join(said("rustc", "--version").split()[:2])
    day = time.strftime("%Y-%m-%d", time.gmtime())
    cores = os.cpu_count()
    return f"{day}, commit {commit}, {rust}, {cores} processors ({cpu}), load {LOAD:.1f} when it began"


def written(page, part, content):
    pattern = re.compile(rf"(<!-- measured: {part} -->\n).*?(<!-- end -->)", re.S)
    if not pattern.search(page):
        sys.exit(f"{PAGE}: there is no place for `{part}`; it needs <!-- measured: {part} --> and <!-- end -->")
    return pattern.sub(lambda found: f"{found.group(1)}\n{content}\n\n{found.group(2)}", page)


def main():
    global READ_ONLY, LOAD
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), metavar="PART", help="these parts alone")
    parser.add_argument("--read", action="store_true", help="take criterion's last results, and run nothing")
    parser.add_argument("--list", action="store_true", help="the parts")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(PARTS))
        return
    READ_ONLY, LOAD = arguments.read, os.getloadavg()[0]
    if LOAD > 0.5 and not READ_ONLY:
        print(f"warning: others are at work on this machine (load {LOAD:.1f}); times will be off", file=sys.stderr)
    for part in arguments.only or PARTS:
        print(f"== {part}", file=sys.stderr)
        try:
            content = f"{PARTS[part]()}\n\n{machine()}."
        except NotMeasured as reason:
            if READ_ONLY:
                continue
            content = f"Not measured: {reason}."
        # After each part: what was measured stays, whatever becomes of the next.
        page = PAGE.read_text()
        PAGE.write_text(written(page, part, content))


if __name__ == "__main__":
    main()
