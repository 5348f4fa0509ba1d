#!/bin/bash
# compare.sh FILE PROGRAM...: FILE must be what the programs print, one after the other.
set -euo pipefail
file=$1
shift
text=$(mktemp)
trap 'rm -f "$text"' EXIT
for program in "$@"; do "$program"; done >"$text"
diff -u "$file" "$text" && exit 0
programs=$(printf '%s; ' "$@")
echo "${file##*/} is not what the program says. Write it anew with"
echo "  { $programs} > $file"
exit 1
