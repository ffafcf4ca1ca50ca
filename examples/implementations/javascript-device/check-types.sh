#!/usr/bin/env bash
# Checks the types of this library with tsc against the official declarations, in a scratch folder: nothing is left behind.
#
#   ./check-types.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$here"/*.mjs "$here"/check.ts "$here"/package.json "$scratch"
cd "$scratch"
npm install --silent --no-audit --no-fund --ignore-scripts --no-save \
    typescript@5.9.3 @types/node@20 @types/ws@8 @tencentcloud/tuiroom-engine-js@3.4.4
npx tsc --noEmit --strict --allowJs --checkJs --skipLibCheck --target es2023 --module nodenext --moduleResolution nodenext \
    --types node check.ts ./*.mjs
echo "the types are those of @tencentcloud/tuiroom-engine-js 3.4.4"
