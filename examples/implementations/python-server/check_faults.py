"""Plants each fault of faults.py in the server, and holds Convoke to naming the requirement that it breaks.

    python3 check_faults.py path/to/convoke path/to/scenarios

A fault that is not named is a scenario that is missing, or a check that looks away.
"""

import json
import shlex
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from faults import FAULTS

SERVER = Path(__file__).resolve().parent / "server.py"


def breaks(fault: str) -> str:
    """The requirement that a fault breaks: the first word of what is said of it."""
    return FAULTS[fault].__doc__.split(":")[0].split(",")[0]


def named(convoke: str, scenarios: str, fault: str) -> tuple[Counter[str], int]:
    """How often each requirement is named, in scenarios that claim to show the one that is broken; and how many fail."""
    server = shlex.join([sys.executable, str(SERVER), "--fault", fault])
    command = [convoke, "conform", "--server", server, "--requirement", breaks(fault), "--format", "json", scenarios]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if not done.stdout:
        sys.exit(f"{shlex.join(command)} reported nothing")
    played = json.loads(done.stdout)["scenarios"]
    failed = [scenario for scenario in played if scenario["verdict"] == "fail"]
    names = Counter(
        requirement
        for scenario in failed
        for finding in scenario["findings"]
        for requirement in set(finding["requirements"])
    )
    return names, len(failed)


def main() -> None:
    convoke, scenarios = sys.argv[1:]
    survived = []
    for fault in FAULTS:
        begun = time.monotonic()
        names, failed = named(convoke, scenarios, fault)
        words = ", ".join(f"{requirement} {count}" for requirement, count in names.most_common(6))
        print(f"{fault:36} {breaks(fault):7} {failed:3} scenarios fail: {words} ({time.monotonic() - begun:.1f} s)")
        if breaks(fault) not in names:
            survived.append(fault)
    if survived:
        sys.exit(f"not named by the requirement that they break: {', '.join(survived)}")


if __name__ == "__main__":
    main()
