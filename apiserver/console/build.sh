#!/bin/bash
# build.sh WORK OUT: builds the console into the folder OUT; packages and a copy of the sources are
# kept in WORK, so that nothing is written beside the sources. Without npm or its packages (no
# network, an empty cache) the console is left out with a message: nothing else that is built needs it.
set -euo pipefail
source=$(cd "$(dirname "$0")" && pwd)
work=$1 out=$2
log=$work/npm-ci.log
if ! command -v npm >/dev/null; then
  echo "console: there is no npm (scripts/install console): not built, the apiserver serves a plain page instead" >&2
  exit 0
fi
mkdir -p "$work"

copy() { rm -rf "${work:?}/$1" && cp -r "$source/$1" "$work/$1"; }
for name in package.json package-lock.json tsconfig.json vite.config.ts index.html public src; do
  copy "$name"
done

cd "$work"
lock=$(sha256sum package-lock.json)
if [ "$(cat node_modules/.lock 2>/dev/null)" != "$lock" ]; then
  if ! npm ci --no-audit --no-fund --prefer-offline --fetch-retries 1 --fetch-timeout 30000 >"$log" 2>&1; then
    tail -3 "$log" >&2
    echo "console: npm ci failed ($log): not built, the apiserver serves a plain page instead" >&2
    exit 0
  fi
  echo "$lock" >node_modules/.lock
fi
node_modules/.bin/tsc --noEmit
node_modules/.bin/vite build --logLevel warn --outDir "$out.new" --emptyOutDir
rm -rf "$out"
mv "$out.new" "$out"
