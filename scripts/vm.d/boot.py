# SPDX-License-Identifier: Apache-2.0
"""Boots a kernel under QEMU with this machine's / and runs one command in it."""

import contextlib
import ctypes
import fcntl
import hashlib
import mmap
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kernels

HERE = Path(__file__).resolve().parent
TIMED_OUT, DIED = 124, 125
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_blk")


def tsc_khz():
    """Rate of the host's time stamp counter, measured for 0.2 s.

    An emulated guest reads the host's counter but calibrates it against emulated timers, which goes
    wrong by a factor on a loaded host; so it is told the rate."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("0f31 48c1e220 4809d0 c3"))  # rdtsc; shl $32,%rdx; or %rdx,%rax; ret
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))

    def sample():
        def once():
            before, tsc, after = time.monotonic_ns(), read(), time.monotonic_ns()
            return after - before, (before + after) / 2, tsc
        return min(once() for _ in range(50))[1:]

    (time0, tsc0), _, (time1, tsc1) = sample(), time.sleep(0.2), sample()
    return round((tsc1 - tsc0) / (time1 - time0) * 1e6)


def initrd(kernel):
    """The initial RAM disk, made anew when its scripts changed."""
    scripts = [HERE / "init.sh", HERE / "guest.sh"]
    digest = hashlib.sha256(b"".join(s.read_bytes() for s in scripts)).hexdigest()[:12]
    image = kernel.folder / f"initrd-{digest}"
    with kernels.locked(f"kernel-{kernel.series}"):
        if not image.exists():
            make_initrd(kernel, scripts, image)
    return image


def make_initrd(kernel, scripts, image):
    for old in kernel.folder.glob("initrd-*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        for folder in ("bin", "mod", "proc", "sys", "dev", "ro", "rw", "new"):
            (tree / folder).mkdir()
        shutil.copy(shutil.which("busybox"), tree / "bin/busybox")
        shutil.copy(scripts[0], tree / "init")
        shutil.copy(scripts[1], tree / "guest.sh")
        (tree / "init").chmod(0o755)
        for number, module in enumerate(module_files(kernel)):
            unpack_module(module, tree / "mod" / f"{100 + number}-{module.name.split('.')[0]}.ko")
        names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
        archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, check=True,
                                 input=names.encode(), stdout=subprocess.PIPE).stdout
    fresh = image.with_suffix(".new")
    fresh.write_bytes(archive)
    fresh.rename(image)


def module_files(kernel):
    """The modules that reach the root file system, dependencies first; built-in ones have no file."""
    files = {}
    for name in MODULES:
        shown = subprocess.run(["modprobe", "-d", kernel.modules.parents[2], "-S", kernel.version,
                                "--show-depends", name], capture_output=True, text=True, check=False)
        for line in shown.stdout.splitlines():
            if line.startswith("insmod "):
                files[Path(line.split()[1])] = None
    return list(files)


def unpack_module(source, target):
    tool = {".xz": "xz", ".zst": "zstd"}.get(source.suffix)
    with open(target, "wb") as file:
        if tool:
            subprocess.run([tool, "-dc", source], stdout=file, check=True)
        else:
            file.write(source.read_bytes())


def qemu_command(kernel, options, out):
    # With -icount the guest's counter is virtual time: 1 GHz.
    khz = 1000000 if options.icount else tsc_khz()
    # One thread for all CPUs of the guest. With one for each, QEMU before 8.1 may keep a translation
    # of the breakpoint through which the kernel patches its code (static keys, trampolines) after it is
    # gone: a CPU then runs into it for ever with interrupts off, and the one that patched waits for it.
    # Seen in 1 of 12 boots. It costs a fifth of the speed, and two guests can run side by side.
    accel = ["-accel", "tcg,thread=single"]
    if options.icount:
        accel += ["-icount", "shift=1,sleep=on"]
    append = (f"console=ttyS0 loglevel=5 panic=-1 nokaslr tsc=reliable tsc_early_khz={khz} no_timer_check "
              f"random.trust_cpu=on mitigations=off vm.mods={kernel.modules} vm.cgroup={options.cgroup}")
    disk = []
    if options.disk:
        with open(out / ".disk", "wb") as file:
            file.truncate(options.disk)
        disk = ["-drive", f"file={out}/.disk,if=virtio,format=raw,cache=unsafe"]
    share = "security_model=none,multidevs=remap"
    return ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "q35", *accel, "-cpu", "max", "-smp", "1" if options.icount else str(options.smp),
            "-m", options.memory, "-kernel", str(kernel.vmlinux), "-initrd", str(initrd(kernel)),
            "-append", f"{append} {options.append}", "-serial", f"file:{out}/.kernel-log",
            "-chardev", "stdio,id=c1,signal=off", "-device", "isa-serial,chardev=c1",
            "-virtfs", f"local,path=/,mount_tag=host,readonly=on,{share}",
            "-virtfs", f"local,path={out},mount_tag=out,{share}", "-device", "virtio-rng-pci",
            *disk, *shlex.split(options.qemu)]


def die_with_parent():
    """Keeps nothing running when this script is killed. 1 is PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def boot(kernel, options, command, out):
    """Returns the exit code of `command` in the guest, TIMED_OUT or DIED."""
    for left in (".code", ".ready"):
        (out / left).unlink(missing_ok=True)
    directory = shlex.quote(os.getcwd())
    (out / ".command").write_text(f"cd {directory} || exit 126\n{command}\n", encoding="utf-8")
    with subprocess.Popen(qemu_command(kernel, options, out), stdin=subprocess.DEVNULL,
                          preexec_fn=die_with_parent) as qemu:
        try:
            qemu.wait(options.timeout)
        except subprocess.TimeoutExpired:
            return TIMED_OUT
        finally:
            qemu.kill()
            (out / ".disk").unlink(missing_ok=True)
    code = out / ".code"
    return int(code.read_text(encoding="ascii")) if code.exists() else DIED


@contextlib.contextmanager
def temporary_folder():
    """A folder in the cache that goes away afterwards, and with the next one if this is killed: a
    folder that nobody has locked is nobody's."""
    with kernels.locked("out"):
        for left in kernels.cache().glob("out-*"):
            with lock_of(left) as free:
                if free:
                    shutil.rmtree(left)
        folder = tempfile.mkdtemp(prefix="out-", dir=kernels.cache())
        held = contextlib.ExitStack()
        held.enter_context(lock_of(folder))
    with held:
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


@contextlib.contextmanager
def lock_of(folder):
    """Yields whether the lock was free; then it is held."""
    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(file)


def run(kernel, options, command):
    """As `boot`, with a folder for /out that goes away unless it was asked for; says why a guest
    ended without an exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with temporary_folder() as temporary:
        out = Path(options.out or temporary).resolve()
        out.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        code = boot(kernel, options, command, out)
        took = time.monotonic() - start
        if options.verbose:
            ready = out / ".ready"
            uptime = ready.read_text(encoding="ascii").strip() if ready.exists() else "never"
            print(f"{kernel.version}: {took:.1f} s in all, ready at {uptime} s of the guest",
                  file=sys.stderr)
        if code in (TIMED_OUT, DIED):
            what = "timed out" if code == TIMED_OUT else "died"
            log = out / ".kernel-log"
            tail = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
            print(f"{kernel.version}: the guest {what} after {took:.0f} s; end of its kernel log:",
                  *tail, sep="\n", file=sys.stderr)
        return code
