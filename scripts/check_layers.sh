#!/bin/bash
# Which folder may include which: the architecture, held by a test. See docs/architecture.md.
set -euo pipefail
cd "$(dirname "$0")/.."

# folder: a regular expression of the project's folders that it may include, beside itself.
rules=$(cat <<'TABLE'
common               common/|huatuo/v1/
bpf                  bpf/
collector/kernel     common/|huatuo/v1/|bpf/|collector/[a-z_]+\.h
collector/decode     common/|huatuo/v1/|bpf/|collector/[a-z_]+\.h
collector/enrich     common/|huatuo/v1/|bpf/|collector/[a-z_]+\.h|collector/decode/
collector/symbols    common/|collector/root\.h
collector/procfs     common/|huatuo/v1/|bpf/|collector/[a-z_]+\.h|collector/enrich/
collector/units      common/|huatuo/v1/|bpf/|collector/[a-z_]+\.h|collector/(kernel|decode|enrich|symbols|procfs)/
collector/cost       common/|huatuo/v1/|bpf/|collector/[a-z_]+\.h|collector/kernel/
collector/ship       common/|huatuo/v1/
apiserver/pods       common/
apiserver/access     common/
apiserver/kube       common/|apiserver/pods/
apiserver/store      common/|huatuo/v1/|apiserver/pods/
apiserver/sink       common/|apiserver/store/
apiserver/ingest     common/|huatuo/v1/|apiserver/(store|pods|access)/
apiserver/config     common/|huatuo/v1/|apiserver/(store|ingest)/
apiserver/tasks      common/|huatuo/v1/|apiserver/(store|pods|ingest|config)/
apiserver/query      common/|huatuo/v1/|pprof/|apiserver/(store|pods|access|ingest|config|tasks)/
TABLE
)

bad=0
while read -r folder allowed; do
  [ -d "$folder" ] || continue
  while IFS=: read -r file line include; do
    path=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$include")
    case $path in absl/* | *.skel.h) continue ;; */*) ;; *) continue ;; esac # libraries, generated, same folder
    [[ $path == "$folder"/* ]] && continue
    if ! grep -qE "^($allowed)" <<<"$path"; then
      echo "$file:$line: $folder must not include $path"
      bad=1
    fi
  done < <(grep -rnE '^#include "' "$folder" --include='*.h' --include='*.cc' --include='*.c' || true)
done <<<"$rules"
[ "$bad" -eq 0 ] && echo "layers: in order"
exit "$bad"
