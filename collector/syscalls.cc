#include "collector/syscalls.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>

#include "common/status.h"

namespace huatuo {
namespace {

// Those that all architectures have, then those of x86 alone.
// clang-format off
#define NAMED(name) {#name, SYS_##name}
constexpr Syscall kSyscalls[] = {
    NAMED(accept), NAMED(accept4), NAMED(acct), NAMED(add_key), NAMED(adjtimex), NAMED(bind),
    NAMED(bpf), NAMED(brk), NAMED(capget), NAMED(capset), NAMED(chdir), NAMED(chroot),
    NAMED(clock_adjtime), NAMED(clock_getres), NAMED(clock_gettime), NAMED(clock_nanosleep),
    NAMED(clock_settime), NAMED(clone), NAMED(clone3), NAMED(close), NAMED(close_range),
    NAMED(connect), NAMED(copy_file_range), NAMED(delete_module), NAMED(dup), NAMED(dup3),
    NAMED(epoll_create1), NAMED(epoll_ctl), NAMED(epoll_pwait), NAMED(epoll_pwait2),
    NAMED(eventfd2), NAMED(execve), NAMED(execveat), NAMED(exit), NAMED(exit_group),
    NAMED(faccessat), NAMED(faccessat2), NAMED(fadvise64), NAMED(fallocate), NAMED(fanotify_init),
    NAMED(fanotify_mark), NAMED(fchdir), NAMED(fchmod), NAMED(fchmodat), NAMED(fchown),
    NAMED(fchownat), NAMED(fcntl), NAMED(fdatasync), NAMED(fgetxattr), NAMED(finit_module),
    NAMED(flistxattr), NAMED(flock), NAMED(fremovexattr), NAMED(fsconfig), NAMED(fsetxattr),
    NAMED(fsmount), NAMED(fsopen), NAMED(fspick), NAMED(fstat), NAMED(fstatfs), NAMED(fsync),
    NAMED(ftruncate), NAMED(futex), NAMED(futex_waitv), NAMED(get_mempolicy),
    NAMED(get_robust_list), NAMED(getcpu), NAMED(getcwd), NAMED(getdents64), NAMED(getegid),
    NAMED(geteuid), NAMED(getgid), NAMED(getgroups), NAMED(getitimer), NAMED(getpeername),
    NAMED(getpgid), NAMED(getpid), NAMED(getppid), NAMED(getpriority), NAMED(getrandom),
    NAMED(getresgid), NAMED(getresuid), NAMED(getrlimit), NAMED(getrusage), NAMED(getsid),
    NAMED(getsockname), NAMED(getsockopt), NAMED(gettid), NAMED(gettimeofday), NAMED(getuid),
    NAMED(getxattr), NAMED(init_module), NAMED(inotify_add_watch), NAMED(inotify_init1),
    NAMED(inotify_rm_watch), NAMED(io_cancel), NAMED(io_destroy), NAMED(io_getevents),
    NAMED(io_pgetevents), NAMED(io_setup), NAMED(io_submit), NAMED(io_uring_enter),
    NAMED(io_uring_register), NAMED(io_uring_setup), NAMED(ioctl), NAMED(ioprio_get),
    NAMED(ioprio_set), NAMED(kcmp), NAMED(kexec_file_load), NAMED(kexec_load), NAMED(keyctl),
    NAMED(kill), NAMED(landlock_add_rule), NAMED(landlock_create_ruleset),
    NAMED(landlock_restrict_self), NAMED(lgetxattr), NAMED(linkat), NAMED(listen), NAMED(listxattr),
    NAMED(llistxattr), NAMED(lookup_dcookie), NAMED(lremovexattr), NAMED(lseek), NAMED(lsetxattr),
    NAMED(lstat), NAMED(madvise), NAMED(mbind), NAMED(membarrier), NAMED(memfd_create),
    NAMED(memfd_secret), NAMED(migrate_pages), NAMED(mincore), NAMED(mkdirat), NAMED(mknodat),
    NAMED(mlock), NAMED(mlock2), NAMED(mlockall), NAMED(mmap), NAMED(mount), NAMED(mount_setattr),
    NAMED(move_mount), NAMED(move_pages), NAMED(mprotect), NAMED(mq_getsetattr), NAMED(mq_notify),
    NAMED(mq_open), NAMED(mq_timedreceive), NAMED(mq_timedsend), NAMED(mq_unlink), NAMED(mremap),
    NAMED(msgctl), NAMED(msgget), NAMED(msgrcv), NAMED(msgsnd), NAMED(msync), NAMED(munlock),
    NAMED(munlockall), NAMED(munmap), NAMED(name_to_handle_at), NAMED(nanosleep), NAMED(newfstatat),
    NAMED(open_by_handle_at), NAMED(open_tree), NAMED(openat), NAMED(openat2),
    NAMED(perf_event_open), NAMED(personality), NAMED(pidfd_getfd), NAMED(pidfd_open),
    NAMED(pidfd_send_signal), NAMED(pipe2), NAMED(pivot_root), NAMED(pkey_alloc), NAMED(pkey_free),
    NAMED(pkey_mprotect), NAMED(ppoll), NAMED(prctl), NAMED(pread64), NAMED(preadv), NAMED(preadv2),
    NAMED(prlimit64), NAMED(process_madvise), NAMED(process_mrelease), NAMED(process_vm_readv),
    NAMED(process_vm_writev), NAMED(pselect6), NAMED(ptrace), NAMED(pwrite64), NAMED(pwritev),
    NAMED(pwritev2), NAMED(quotactl), NAMED(quotactl_fd), NAMED(read), NAMED(readahead),
    NAMED(readlinkat), NAMED(readv), NAMED(reboot), NAMED(recvfrom), NAMED(recvmmsg),
    NAMED(recvmsg), NAMED(remap_file_pages), NAMED(removexattr), NAMED(renameat), NAMED(renameat2),
    NAMED(request_key), NAMED(restart_syscall), NAMED(rseq), NAMED(rt_sigaction),
    NAMED(rt_sigpending), NAMED(rt_sigprocmask), NAMED(rt_sigqueueinfo), NAMED(rt_sigreturn),
    NAMED(rt_sigsuspend), NAMED(rt_sigtimedwait), NAMED(rt_tgsigqueueinfo),
    NAMED(sched_get_priority_max), NAMED(sched_get_priority_min), NAMED(sched_getaffinity),
    NAMED(sched_getattr), NAMED(sched_getparam), NAMED(sched_getscheduler),
    NAMED(sched_rr_get_interval), NAMED(sched_setaffinity), NAMED(sched_setattr),
    NAMED(sched_setparam), NAMED(sched_setscheduler), NAMED(sched_yield), NAMED(seccomp),
    NAMED(semctl), NAMED(semget), NAMED(semop), NAMED(semtimedop), NAMED(sendfile), NAMED(sendmmsg),
    NAMED(sendmsg), NAMED(sendto), NAMED(set_mempolicy), NAMED(set_mempolicy_home_node),
    NAMED(set_robust_list), NAMED(set_tid_address), NAMED(setdomainname), NAMED(setfsgid),
    NAMED(setfsuid), NAMED(setgid), NAMED(setgroups), NAMED(sethostname), NAMED(setitimer),
    NAMED(setns), NAMED(setpgid), NAMED(setpriority), NAMED(setregid), NAMED(setresgid),
    NAMED(setresuid), NAMED(setreuid), NAMED(setrlimit), NAMED(setsid), NAMED(setsockopt),
    NAMED(settimeofday), NAMED(setuid), NAMED(setxattr), NAMED(shmat), NAMED(shmctl), NAMED(shmdt),
    NAMED(shmget), NAMED(shutdown), NAMED(sigaltstack), NAMED(signalfd4), NAMED(socket),
    NAMED(socketpair), NAMED(splice), NAMED(stat), NAMED(statfs), NAMED(statx), NAMED(swapoff),
    NAMED(swapon), NAMED(symlinkat), NAMED(sync), NAMED(sync_file_range), NAMED(syncfs),
    NAMED(sysinfo), NAMED(syslog), NAMED(tee), NAMED(tgkill), NAMED(timer_create),
    NAMED(timer_delete), NAMED(timer_getoverrun), NAMED(timer_gettime), NAMED(timer_settime),
    NAMED(timerfd_create), NAMED(timerfd_gettime), NAMED(timerfd_settime), NAMED(times),
    NAMED(tkill), NAMED(truncate), NAMED(umask), NAMED(umount2), NAMED(uname), NAMED(unlinkat),
    NAMED(unshare), NAMED(userfaultfd), NAMED(utimensat), NAMED(vhangup), NAMED(vmsplice),
    NAMED(wait4), NAMED(waitid), NAMED(write), NAMED(writev),
#if defined(__x86_64__)
    NAMED(access), NAMED(alarm), NAMED(arch_prctl), NAMED(chmod), NAMED(chown), NAMED(creat),
    NAMED(dup2), NAMED(epoll_create), NAMED(epoll_wait), NAMED(eventfd), NAMED(fork),
    NAMED(futimesat), NAMED(get_thread_area), NAMED(getdents), NAMED(getpgrp), NAMED(inotify_init),
    NAMED(ioperm), NAMED(iopl), NAMED(lchown), NAMED(link), NAMED(mkdir), NAMED(mknod),
    NAMED(modify_ldt), NAMED(open), NAMED(pause), NAMED(pipe), NAMED(poll), NAMED(readlink),
    NAMED(rename), NAMED(rmdir), NAMED(select), NAMED(set_thread_area), NAMED(signalfd),
    NAMED(symlink), NAMED(sysfs), NAMED(time), NAMED(unlink), NAMED(ustat), NAMED(utime),
    NAMED(utimes), NAMED(vfork),
#endif
};
#undef NAMED
// clang-format on

constexpr std::string_view kSeparators = ", ";

absl::Status Add(std::string_view name, std::vector<Syscall>& chosen) {
  const auto found = std::ranges::find(kSyscalls, name, &Syscall::name);
  if (found == std::end(kSyscalls)) {
    return InvalidArgument(
        fmt::format("\"{}\": not a system call of this machine: accepted are "
                    "names such as read,openat,fsync",
                    name));
  }
  if (std::ranges::find(chosen, name, &Syscall::name) != chosen.end()) {
    return InvalidArgument(fmt::format("\"{}\": named twice", name));
  }
  if (chosen.size() == kMaxSyscalls) {
    return InvalidArgument(fmt::format("more than {} system calls", kMaxSyscalls));
  }
  chosen.push_back(*found);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Syscall>> ParseSyscalls(std::string_view text) {
  std::vector<Syscall> chosen;
  while (true) {
    const size_t begin = text.find_first_not_of(kSeparators);
    if (begin == text.npos) return chosen;
    text.remove_prefix(begin);
    const std::string_view name = text.substr(0, text.find_first_of(kSeparators));
    if (absl::Status status = Add(name, chosen); !status.ok()) return status;
    text.remove_prefix(name.size());
  }
}

}  // namespace huatuo
