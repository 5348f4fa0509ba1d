#!/bin/bash
# huatuo.sh [--server GRPC HTTP] [OPTION...]: a collector with these options, until it is ended; nothing
# is over budget, so that every unit stays on while it is measured. It sends to the apiserver with
# these addresses, else to one of its own, with the embedded store and free ports.
# Processes are taken from $HUATUO_BUILD, else build/release. At its end it prints what each BPF
# program has cost, of which instructions are half of the nanoseconds in `scripts/bench overhead`.
set -euo pipefail
build=${HUATUO_BUILD:-$(dirname "$(readlink -f "$0")")/../../build/release}
folder=$(mktemp -d)
cleanup() {
  trap - EXIT TERM INT
  curl -s --max-time 5 "http://$http/api/v1/nodes/bench" |
    jq -r '.programs[] | "\(.unit) \(.program): \(.runs) runs, \(.ns_per_run // 0 | round) ns"' || true
  kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$folder"
}
# Each in a session of its own: what ends this script by its group must not end them before they told.
pids=()
http=
trap cleanup EXIT
trap 'exit 0' TERM INT

if [ "${1:-}" = --server ]; then
  grpc=$2 http=$3
  shift 3
else
  setsid "$build/apiserver/huatuo-apiserver" --http-listen 127.0.0.1:0 --grpc-listen 127.0.0.1:0 \
    --store sqlite --data-dir "$folder/server" &
  pids+=($!)
  until grpc=$(jq -er .grpc "$folder/server/addresses.json" 2>/dev/null); do
    kill -0 "${pids[0]}"
    sleep 0.1
  done
  http=$(jq -r .http "$folder/server/addresses.json")
fi
setsid "$build/collector/huatuo-collector" --node bench --spool-dir "$folder/spool" --apiserver "$grpc" \
  --budget-percent 100 "$@" &
pids+=($!)
wait -n
echo "one of the processes ended" >&2
exit 1
