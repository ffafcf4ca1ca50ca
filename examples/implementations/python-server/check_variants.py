"""Lets the server read a requirement otherwise, as each variant of variants.py does, and holds Convoke to judging by it.

    python3 check_variants.py path/to/convoke path/to/scenarios

Strictly it must fail by the name of the requirement; under a profile that declares the variant it must pass, and some
scenario must be non-strict.
"""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from variants import VARIANTS

SERVER = Path(__file__).resolve().parent / "server.py"


def declared(variant: str) -> tuple[str, str]:
    """The requirement and the reading that a profile declares for it: the first words of what is said of it."""
    requirement, reading = VARIANTS[variant].__doc__.split(".")[0].split(": ")
    return requirement, reading


def conform(convoke: str, variant: str, *more: str) -> dict:
    server = shlex.join([sys.executable, str(SERVER), "--variant", variant])
    command = [convoke, "conform", "--server", server, "--format", "json", "--once", *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if not done.stdout:
        sys.exit(f"{shlex.join(command)} reported nothing")
    return json.loads(done.stdout)


def wrong_with(convoke: str, scenarios: str, variant: str, folder: Path) -> str | None:
    requirement, reading = declared(variant)
    strictly = conform(convoke, variant, "--requirement", requirement, scenarios)
    named = {name for one in strictly["scenarios"] for finding in one["findings"] for name in finding["requirements"]}
    if requirement not in named:
        return f"strictly nothing names {requirement}"
    profile = folder / f"{variant}.yaml"
    profile.write_text(f"version: 1\nname: {variant}\nvariants:\n  {requirement}: {reading}\n", encoding="utf-8")
    result = conform(convoke, variant, "--profile", str(profile), scenarios)
    verdicts = Counter(one["verdict"] for one in result["scenarios"])
    print(f"{variant:28} {requirement}: {reading:20} {dict(verdicts)}")
    if result["summary"]["exitCode"] != 0:
        failed = [one["name"] for one in result["scenarios"] if one["verdict"] in ("fail", "inconclusive")]
        return f"with its profile it does not pass {', '.join(failed)}"
    if not verdicts["non-strict"]:
        return "no scenario is non-strict"
    return None


def main() -> None:
    convoke, scenarios = sys.argv[1:]
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        wrong = {variant: wrong_with(convoke, scenarios, variant, Path(folder)) for variant in VARIANTS}
    print(f"{len(VARIANTS)} variants in {time.monotonic() - begun:.1f} s")
    bad = [f"{variant}: {why}" for variant, why in wrong.items() if why]
    if bad:
        sys.exit("\n".join(bad))


if __name__ == "__main__":
    main()
