#!/usr/bin/env bash
# The step of action.yml, for any CI that has a shell: calls convoke with $ARGUMENTS, and leaves what it says in $REPORTS.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export REPORTS=${REPORTS:-convoke-reports}
arguments=${ARGUMENTS:-run scenarios --ci}

convoke=${CONVOKE:-}
[ -n "$convoke" ] || convoke=$(command -v convoke || true)
if [ -z "$convoke" ]; then
    command -v cargo >/dev/null || {
        echo "there is no convoke and no cargo to build it with: name a binary in CONVOKE, or install Rust" >&2
        exit 2
    }
    cargo install --locked --quiet --path "$here/../.." --root "${RUNNER_TEMP:-$here/../../target}/convoke"
    convoke=${RUNNER_TEMP:-$here/../../target}/convoke/bin/convoke
fi

mkdir -p "$REPORTS"
# The arguments are the workflow author's own, quotes and $REPORTS included: a shell reads them, as on a terminal.
code=0
bash -c "\"\$0\" $arguments" "$convoke" 2>&1 | tee "$REPORTS/convoke.txt" || code=${PIPESTATUS[0]}

if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    {
        printf '### convoke %s\n\nexit code %s\n\n```text\n' "$arguments" "$code"
        tail -n 20 "$REPORTS/convoke.txt"
        printf '```\n'
    } >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
