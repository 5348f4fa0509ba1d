# SPDX-License-Identifier: Apache-2.0
# workload.sh make | kill NAME COUNT | delay NAME COUNT MILLISECONDS: in one container, whose id is
# kept in the present folder.
. "$KERNEL_TESTS/lib.sh"
case $1 in
make)
	container
	memory_limit "$id" 30M
	echo "$id" >container
	;;
kill) oom_kills "$(<container)" "$2" "$3" ;;
delay) delays "$(<container)" "$2" "$3" "$4" ;;
esac
