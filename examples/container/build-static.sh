#!/usr/bin/env bash
# Builds a convoke for x86-64 or ARM64 Linux that needs nothing of the system it runs on: no C library, no Rust.
#
#     examples/container/build-static.sh [FOLDER]     puts `convoke` there; the default is target/static
#
# It is linked against glibc, statically. Only names of hosts are looked up with what the system has (glibc's resolver): on a
# system without glibc, `--listen` and URLs take addresses, and names as far as /etc/hosts and DNS go without plug-ins.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=${1:-target/static}
target=$(rustc -vV | sed -n 's/^host: //p')
case $target in
    *-linux-gnu) ;;
    *)
        echo "a static Linux binary is built on Linux with the gnu toolchain, and this is $target" >&2
        exit 2
        ;;
esac
# With --target, build scripts and procedural macros are not linked like this.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" cargo build --locked --release --target "$target"
# The empty folder is where an image keeps its journal.
mkdir -p "$folder/data"
install -m 755 "${CARGO_TARGET_DIR:-target}/$target/release/convoke" "$folder/convoke"
if readelf --dynamic "$folder/convoke" | grep -q NEEDED; then
    echo "$folder/convoke needs libraries of the system:" >&2
    readelf --dynamic "$folder/convoke" | grep NEEDED >&2
    exit 1
fi
"$folder/convoke" --version
ls -l "$folder/convoke"
