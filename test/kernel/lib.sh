# SPDX-License-Identifier: Apache-2.0
# Functions for the RUN section of a case. Set by the runner: $marker (a name that only this run of
# this case uses, at most 11 characters), $BUILD, $KERNEL_TESTS (this folder). The current folder is
# fresh and goes away; ./collected/NAME.json becomes member NAME of what EXPECT reads.
set -euo pipefail

node=kernel-test

# note NAME TEXT: collects a text.
note() { jq -n --arg text "$2" '$text' >"collected/$1.json"; }

# wait_for CONDITION SECONDS: polls a shell condition; fails the case when it does not come true.
wait_for() {
	local end=$((SECONDS + $2))
	until eval "$1" >/dev/null 2>&1; do
		if ((SECONDS >= end)); then
			echo "not within $2 s: $1" >&2
			return 1
		fi
		sleep 0.05
	done
}

# background COMMAND...: starts a process that must outlive RUN; its output goes to NAME.log.
background() {
	local name=${1##*/}
	"$@" >"$name.log" 2>&1 &
	echo "$! $name" >>processes
}

# ---- apiserver and collector

# start [FLAG...]: both processes on free ports of the loopback; FLAGs go to the collector, which is
# started by the command $collector_by. Returns when the node is connected and has told the state of
# its units. Nothing is over budget: emulation makes everything dear. Nothing folds: cases count.
collector_by=()
start() {
	background "$BUILD/apiserver/huatuo-apiserver" --http-listen 127.0.0.1:0 \
		--grpc-listen 127.0.0.1:0 --store memory --data-dir "$PWD/server"
	wait_for 'jq -e .http server/addresses.json' 60
	http=$(jq -r .http server/addresses.json)
	background "${collector_by[@]}" "$BUILD/collector/huatuo-collector" --node $node --spool-dir "$PWD/spool" \
		--apiserver "$(jq -r .grpc server/addresses.json)" --budget-percent 100 --fold-seconds 0 \
		${RECORDED:+--record "$PWD/recording"} "$@"
	wait_for 'api nodes/$node | jq -e "(.units | length) > 0 and all(.units[]; .state != \"unknown\")"' 60
}

# api PATH: a reply below /api/v1.
api() { curl -sSf --max-time 10 "http://$http/api/v1/$1"; }

# post PATH JSON: the reply.
post() { curl -sSf --max-time 10 -H 'Content-Type: application/json' -d "$2" "http://$http/api/v1/$1"; }

# events TRACER: the newest thousand of its events as an array, the oldest first.
events() { api "events?tracer=$1&limit=1000" | jq -c '.items | sort_by(.tracer_time)'; }

# has_event TRACER CONDITION: whether there is an event for which the jq condition holds.
has_event() {
	events "$1" | jq -e --arg marker "$marker" --arg fence "$fence" "any(.[]; $2)"
}

# said UNIT: how many lines of the collector's log are about the state of the unit.
said() { cat ./*.log | grep -c "unit $1: " || true; }

# rounds COUNT: waits for so many rounds of metrics; each is a chance for a loop to show.
rounds() {
	local i before
	for ((i = 0; i < $1; i++)); do
		before=$(sample_time)
		wait_for "[ \"\$(sample_time)\" != '$before' ]" 30
	done
}

# sample_time: of the collector's newest round, in milliseconds.
sample_time() {
	curl -sSf --max-time 10 "http://$http/metrics" | awk '/^huatuo_collector_cpu_seconds_total/ { print $3 }'
}

# state UNIT: of its instance `always`.
state() { api nodes/$node | jq -r --arg unit "$1" '.units[] | select(.unit == $unit) | .state'; }

# parameter UNIT NAME NUMBER: changes it live.
parameter() {
	curl -sSf --max-time 10 -X PUT -H 'Content-Type: application/json' \
		-d "{\"unit\":\"$1\",\"values\":{\"$2\":$3}}" "http://$http/api/v1/nodes/$node/parameters" |
		jq -e .accepted
}

# collect NAME PATH; collect_events TRACER; collect_node; collect_metrics
collect() { api "$2" >"collected/$1.json"; }
collect_events() { events "$1" >"collected/$1.json"; }
collect_node() { collect node nodes/$node; }
collect_metrics() {
	curl -sSf --max-time 10 "http://$http/metrics" | "$KERNEL_TESTS/exposition.py" >collected/metrics.json
}

# metric 'NAME{label="value"}': the sum of the series that have these labels.
metric() {
	curl -sSf --max-time 10 "http://$http/metrics" | "$KERNEL_TESTS/exposition.py" |
		jq --argjson want "$(echo "$1 0" | "$KERNEL_TESTS/exposition.py")" \
			'[.[] | select(.name == $want[0].name and (.labels | contains($want[0].labels))) | .value] | add'
}

# exemplars FAMILY: the events that its series name in OpenMetrics, as an array.
exemplars() {
	local event
	curl -sSf --max-time 10 -H 'Accept: application/openmetrics-text; version=1.0.0' "http://$http/metrics" |
		sed -n "s/^$1[{_].* # {event_id=\"\([^\"]*\)\"}.*/\1/p" | sort -u |
		while read -r event; do api "events/$event"; done | jq -cs .
}

# ---- containers

# The mount points of the hierarchies in which a runtime makes a container's cgroup. cpuset is left
# out: a new v1 cpuset has no CPU.
hierarchies() {
	awk '$3 == "cgroup2" { print $2 }
		$3 == "cgroup" && $4 ~ /(^|,)(memory|cpu|cpuacct|pids|blkio|freezer|name=systemd)(,|$)/ { print $2 }' \
		/proc/self/mounts
}

# cgroup_v2_enable ROOT PATH: lets the folder at PATH have the controllers, as far as they are on v2.
cgroup_v2_enable() {
	local folder=$1 part
	for part in ${2//\// }; do
		for controller in memory cpu io pids; do
			echo +$controller >"$folder/cgroup.subtree_control" 2>/dev/null || true
		done
		folder=$folder/$part
		mkdir -p "$folder"
	done
}

# container: makes the cgroups of a container of a burstable pod. Sets $id and $pod.
container() {
	local uuid=/proc/sys/kernel/random/uuid root
	pod=$(<$uuid)
	id=$(cat $uuid $uuid | tr -d '\n-')
	local path=kubepods/burstable/pod$pod/$id
	for root in $(hierarchies); do
		# Cleaned up from the end: a folder is listed after those above it.
		for folder in "$root" "$root"/kubepods "$root"/kubepods/burstable "$root/kubepods/burstable/pod$pod"; do
			[ -e "$folder" ] || echo "$folder" >>cgroups
		done
		echo "$root/$path" >>cgroups
		if [ -e "$root/cgroup.controllers" ]; then cgroup_v2_enable "$root" "$path"; fi
		mkdir -p "$root/$path"
	done
}

folders() { grep "/$1$" cgroups; }

# memory_limit ID SIZE
memory_limit() {
	local folder
	for folder in $(folders "$1"); do
		if [ -e "$folder/memory.max" ]; then
			echo "$2" >"$folder/memory.max"
			[ ! -e "$folder/memory.swap.max" ] || echo 0 >"$folder/memory.swap.max"
		elif [ -e "$folder/memory.limit_in_bytes" ]; then
			echo "$2" >"$folder/memory.limit_in_bytes"
		fi
	done
}

# cpu_quota ID MICROSECONDS PERIOD
cpu_quota() {
	local folder
	for folder in $(folders "$1"); do
		if [ -e "$folder/cpu.max" ]; then
			echo "$2 $3" >"$folder/cpu.max"
		elif [ -e "$folder/cpu.cfs_quota_us" ]; then
			echo "$3" >"$folder/cpu.cfs_period_us"
			echo "$2" >"$folder/cpu.cfs_quota_us"
		fi
	done
}

# become ID COMMAND...: turns this shell into a process of the container, with a host name of its own.
# With & after it, $! is that process.
become() {
	local id=$1 folder
	shift
	for folder in $(folders "$id"); do echo $BASHPID >"$folder/cgroup.procs"; done
	exec unshare --uts sh -c 'hostname "$0"; exec "$@"' "host-${id:0:12}" "$@"
}

# inside ID COMMAND...: the same as a child; the exit code is the command's.
inside() (become "$@")

# remove_container ID: as soon as its last process is gone.
remove_container() {
	local folder
	for folder in $(folders "$1"); do wait_for "rmdir $folder || [ ! -e $folder ]" 10; done
}

# ---- workloads

# hog NAME: a program of this name that allocates until it is killed.
hog() { ln -sf /usr/bin/tail "$1"; }

# The name of a last workload of the same kind. Delivery is in order: when its event has arrived,
# those of the marked workload have, and there are no more of them to come.
fence=f$marker

# oom_kills ID NAME COUNT: the kernel kills so many processes of this name in the container.
oom_kills() {
	local i
	hog "$2"
	for ((i = 0; i < $3; i++)); do inside "$1" "./$2" /dev/zero && return 1 || [ $? = 137 ]; done
}

# The last CPU; the first one often has more to do.
last_cpu=$(($(nproc --all) - 1))

# delays ID NAME COUNT MILLISECONDS: a task of this name in the container is runnable so many times
# while something else holds its CPU for so long.
delays() {
	rm -f wake
	mkfifo wake
	become "$1" /usr/bin/python3 "$KERNEL_TESTS/delays.py" wait "$last_cpu" "$2" wake &
	local waiter=$!
	/usr/bin/python3 "$KERNEL_TESTS/delays.py" hold "$last_cpu" "$3" "$4" wake $waiter
	wait $waiter
}

# frozen_file_system: an ext4 in ./frozen that lets nobody write, until thaw or the end of the case.
frozen_file_system() {
	truncate -s 16M frozen.img
	mkfs.ext4 -q frozen.img
	mkdir frozen
	mount -o loop frozen.img frozen
	touch frozen/file
	fsfreeze --freeze frozen
	trap thaw EXIT
}

thaw() {
	trap - EXIT
	fsfreeze --unfreeze frozen
	umount --lazy frozen
}

# hang ID NAME COUNT: so many processes of this name in the container write there, and hang.
hang() {
	local i
	ln -sf /usr/bin/dd "$2"
	for ((i = 0; i < $3; i++)); do
		inside "$1" "./$2" if=/dev/zero of=frozen/file conv=nocreat,notrunc bs=1 count=1 2>/dev/null &
	done
}

# marked_port N: a port that only this run of this case uses, below those that the kernel chooses.
marked_port() { echo $((0x${marker:1:5} % 20000 + 10000 + $1)); }

# nft_drop RULE...: nftables drops, and counts, what matches RULE on its way out.
nft_drop() {
	nft add table inet "$marker"
	nft add chain inet "$marker" out '{ type filter hook output priority 0; }'
	nft add rule inet "$marker" out "$@" counter drop
}

# nft_dropped: what nft_drop's rules have counted.
nft_dropped() { nft -j list table inet "$marker" | jq '[.. | .counter? // empty | .packets] | add'; }

drops() { /usr/bin/python3 "$KERNEL_TESTS/drops.py" "$@"; }

# drops_without_fate: every drop that dropwatch counted is not reported, sent, refused or lost; 0 when
# the newest values of all four are there.
drops_without_fate() {
	curl -sSf --max-time 10 "http://$http/metrics" | awk '
		/^huatuo_node_dropped_packets_total/ { n += $(NF - 1) }
		/^huatuo_node_unreported_drops_total/ { n -= $(NF - 1) }
		/^huatuo_collector_(events_emitted|lost)_total/ && /unit="dropwatch"/ { n -= $(NF - 1) }
		END { printf "%d\n", n }'
}

# full_backlog: five connections of six find the last place of a full accept queue taken when their
# handshake ends, all at once because their last packets are held back until then. Sets $port.
full_backlog() {
	mkfifo step
	drops listen 7 7 6 <step >listener.txt &
	exec 3>step
	wait_for '[ -s listener.txt ]' 20
	port=$(head -1 listener.txt)
	nft_drop tcp dport "$port" 'tcp flags & (syn | ack) == ack'
	echo >&3
	wait_for 'grep -q sent listener.txt' 20
	nft delete table inet "$marker"
}

# nft_lose RULE...: nftables drops what matches RULE where it arrives: its sender has sent it.
nft_lose() {
	nft add table inet "$marker"
	nft add chain inet "$marker" in '{ type filter hook input priority 0; }'
	nft add rule inet "$marker" in "$@" drop
}

# resend tail|hole ADDRESS COUNT RULE...: a connection that sends COUNT segments again, since those
# that match RULE are lost. Sets $port, and $resent to what the kernel itself has counted.
resend() {
	rm -f step sender.txt
	mkfifo step
	/usr/bin/python3 "$KERNEL_TESTS/resend.py" "$1" "$2" "$3" <step >sender.txt &
	local sender=$!
	exec 3>step
	wait_for '[ -s sender.txt ]' 20
	port=$(head -1 sender.txt)
	nft_lose tcp dport "$port" "${@:4}"
	echo >&3
	wait_for 'grep -q sent sender.txt' 40
	nft delete table inet "$marker"
	echo >&3
	exec 3>&-
	wait $sender
	resent=$(tail -1 sender.txt)
}

# fault_module: loads test/fault, until the end of the case.
fault_module() {
	insmod "${HUATUO_VM_DIR:-/var/tmp/huatuo-vm}/fault/$(uname -r)/huatuo_fault.ko"
	trap 'rmmod huatuo_fault' EXIT
}

# fault ID NAME KIND CPU MILLISECONDS: a process of this name in the container holds what KIND says
# (bh, irq, cpu; sleep: nothing) on the CPU for so long.
fault() {
	ln -sf /usr/bin/dd "$2"
	# At once complete: several of the same name may run.
	echo "$3 $4 $5" >"$2.order.$BASHPID"
	mv "$2.order.$BASHPID" "$2.order"
	inside "$1" "./$2" if="$2.order" of=/sys/kernel/debug/huatuo_fault conv=nocreat,notrunc status=none
}

# order KIND NUMBER NUMBER: what test/fault/control.c does for it.
order() { echo "$*" >/sys/kernel/debug/huatuo_fault; }
