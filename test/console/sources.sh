#!/bin/bash
# What holds for the console before it runs: packages come from the public registry alone, nothing
# is loaded from another host, and without npm the build goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
bad=0
complain() { echo "$1"; bad=1; }

for lock in apiserver/console/package-lock.json test/console/package-lock.json; do
  foreign=$(grep -o '"resolved": "[^"]*"' "$lock" | grep -v '"https://registry\.npmjs\.org/' || true)
  [ -z "$foreign" ] || complain "$lock: $foreign"
  grep -q '"integrity": "sha512-' "$lock" || complain "$lock: no checksums"
done

hosts=$(grep -rnE 'https?://' apiserver/console/{src,public,index.html} | grep -v 'http://www\.w3\.org/' || true)
[ -z "$hosts" ] || complain "another host: $hosts"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
for program in bash dirname; do ln -s "$(command -v $program)" "$work/bin/"; done
told=$(PATH=$work/bin apiserver/console/build.sh "$work/tree" "$work/out" 2>&1) || complain "without npm the build fails: $told"
[[ $told == *"there is no npm (scripts/install console)"* ]] || complain "without npm it says: $told"
[ ! -e "$work/out" ] || complain "without npm there is something"
[ "$bad" -eq 0 ] && echo "console: in order"
exit "$bad"
