# The guest's init once / is in place: mounts what a booted system has, runs /out/.command, writes its
# exit code to /out/.code and powers off. Output goes to the second serial port, the kernel's log to
# the first.
# /tmp stays what the host has there, with the overlay above it: the checkout may lie below it.
mkdir -p /dev/pts /dev/shm
mount -t devpts p /dev/pts
mount -t tmpfs t /dev/shm
mount -t tracefs t /sys/kernel/tracing
mount -t debugfs d /sys/kernel/debug
mount -t bpf b /sys/fs/bpf
ip link set lo up

# Mounts each controller that this kernel still offers on v1; those that refuse are left out.
cgroup_v1() {
	mount -t tmpfs -o mode=755 c /sys/fs/cgroup
	for set in cpuset cpu,cpuacct blkio memory devices freezer net_cls,net_prio perf_event hugetlb pids; do
		mkdir /sys/fs/cgroup/$set
		mount -t cgroup -o $set c /sys/fs/cgroup/$set 2>/dev/null || rmdir /sys/fs/cgroup/$set
	done
	mkdir /sys/fs/cgroup/systemd
	mount -t cgroup -o none,name=systemd c /sys/fs/cgroup/systemd
}

case $(</proc/cmdline) in
*vm.cgroup=v1*) cgroup_v1 ;;
*vm.cgroup=hybrid*)
	cgroup_v1
	mkdir /sys/fs/cgroup/unified
	mount -t cgroup2 c /sys/fs/cgroup/unified
	;;
*) mount -t cgroup2 c /sys/fs/cgroup ;;
esac

export HOME=/root LANG=C.UTF-8 HUATUO_VM=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
stty -F /dev/ttyS1 raw -echo 2>/dev/null
read -r up _ </proc/uptime
echo "$up" >/out/.ready
bash /out/.command </dev/null >/dev/ttyS1 2>&1
code=$?
# The file is complete or absent: a guest that dies while writing it counts as dead.
echo $code >/out/.code.new && mv /out/.code.new /out/.code
sync
echo o >/proc/sysrq-trigger
while :; do sleep 60; done
