#!/bin/bash
# scripts/lint.sh [--fast]: format, layers, and (without --fast) clang-tidy; warnings are errors.
set -euo pipefail
cd "$(dirname "$0")/.."

list() { git ls-files -co --exclude-standard "$@"; }
list '*.h' '*.cc' '*.proto' | grep -v '\.bpf\.h$\|^test/fault/' | xargs clang-format-14 --dry-run -Werror
# C has the kernel's style, wherever it is.
list '*.c' '*.bpf.h' 'test/fault/*.h' | xargs clang-format-14 --style=file:bpf/.clang-format --dry-run -Werror
echo "format: clean"
scripts/check_layers.sh
[ "${1:-}" = --fast ] && exit 0

exec scripts/tidy
