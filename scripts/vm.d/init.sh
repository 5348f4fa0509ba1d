#!/bin/busybox sh
# First process of the guest, in the initial RAM disk: builds the root and hands over to guest.sh.
#   /        the host's / over 9p, read-only, below a tmpfs overlay
#   /out     a host folder, read-write
# Kernel arguments: vm.mods=FOLDER (host path of /lib/modules/VERSION), vm.cgroup=v2|v1|hybrid.
B=/bin/busybox
$B mount -t proc p /proc
$B mount -t sysfs s /sys
$B mount -t devtmpfs d /dev
for m in /mod/*.ko; do $B insmod "$m"; done
for o in $($B cat /proc/cmdline); do
	case $o in
	vm.mods=*) mods=${o#*=} ;;
	esac
done
nine=trans=virtio,version=9p2000.L,msize=512000
$B mount -t 9p -o $nine,cache=loose,ro host /ro || { echo "no 9p root"; $B poweroff -f; }
$B mount -t tmpfs t /rw
$B mkdir /rw/upper /rw/work
N=/new
$B mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work o $N
$B mkdir -p $N/out $N/run $N/lib/modules/"$($B uname -r)"
for fs in proc sys dev; do $B mount --move /$fs $N/$fs; done
$B mount -t tmpfs t $N/run
$B mount --bind $N"$mods" $N/lib/modules/"$($B uname -r)"
$B mount -t 9p -o $nine,cache=none out $N/out
$B cp /guest.sh $N/run/guest.sh
exec $B switch_root $N /bin/bash /run/guest.sh
