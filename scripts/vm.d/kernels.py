# SPDX-License-Identifier: Apache-2.0
"""Debian kernels in a cache folder, by series.

  <cache>/kernels/<series>/version     release, e.g. 6.1.0-50-amd64; written last
  <cache>/kernels/<series>/root/       the unpacked packages
  <cache>/kernels/<series>/vmlinux     the kernel as an ELF file
  <cache>/kernels/<series>/initrd-HASH
  <cache>/apt/                         package lists of our own

The machine's own apt sources and lists are read, never written: nothing of another suite can get
installed by accident. Names of packages change with each point release and are looked up.
"""

import fcntl
import functools
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path

SUITES = {"5.10": ["bullseye", "bullseye-security"],
          "6.1": ["bookworm", "bookworm-updates", "bookworm-security"],
          "6.12": ["bookworm-backports", "trixie"]}
NEWER = ["trixie-backports"]
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def cache():
    folder = Path(os.environ.get("HUATUO_VM_DIR") or "/var/tmp/huatuo-vm")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(name):
    """One process at a time works on `name` in the cache."""
    with open(cache() / f".lock-{name}", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@functools.lru_cache
def mirrors():
    """The addresses (Debian, its security archive) that this machine is set up with."""
    main = security = ""
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)",
                              "Created-By: Packages"], capture_output=True, text=True, check=False)
    for line in targets.stdout.splitlines():
        address, _, release = line.partition(" ")
        if release == "bookworm":
            main = address
        elif release == "bookworm-security":
            security = address
    if not main:
        raise SystemExit("vm: apt knows no mirror of bookworm: look at its sources, run apt-get update")
    return main, security or main


class Apt:
    """apt with the given suites in lists of its own."""

    def __init__(self, suites):
        self.folder = cache() / "apt" / "-".join(suites)
        for part in ("lists/partial", "cache/archives/partial", "sources"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        main, security = mirrors()
        lines = [f"deb [signed-by={KEYRING}] {security if s.endswith('-security') else main} {s} main"
                 for s in suites]
        (self.folder / "sources/vm.list").write_text("\n".join(lines) + "\n", encoding="ascii")

    def run(self, *command, cwd=None):
        options = {"Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": self.folder / "sources",
                   "Dir::State::lists": self.folder / "lists", "Dir::Cache": self.folder / "cache",
                   "APT::Sandbox::User": "root"}
        flags = [f"-o{key}={value}" for key, value in options.items()]
        done = subprocess.run([command[0], *flags, *command[1:]], cwd=cwd, text=True,
                              capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command[:2])}: {done.stderr.strip()}")
        return done.stdout

    def newest_image(self, series):
        """(package, release) of the newest kernel of `series`; "7.x" or "7" is any 7."""
        prefix = re.escape(series.removesuffix(".x"))
        found = self.run("apt-cache", "search", "--names-only", rf"^linux-image-{prefix}[.].*-amd64$")
        names = [line.split()[0] for line in found.splitlines()]
        names = [n for n in names if not re.search(r"-(cloud|rt)-amd64$", n)]
        if not names:
            sys.exit(f"no Debian kernel of series {series} in {self.folder.name}")
        name = max(names, key=lambda n: [int(x) for x in re.findall(r"\d+", n)])
        return name, name.removeprefix("linux-image-")

    def parts(self, image, release):
        """`image` and those of its dependencies that exist and carry the kernel itself: one package
        up to 6.18, then split into linux-binary, linux-modules and linux-base."""
        depends = self.run("apt-cache", "depends", image)
        named = re.findall(rf"Depends: (linux-(?:binary|modules|base)-{re.escape(release)})$", depends,
                           re.MULTILINE)
        return [image, *named]


def unpack_elf(image):
    """The kernel inside a bzImage: its PVH entry boots without decompressing in the guest."""
    blob = Path(image).read_bytes()
    sectors = blob[0x1F1] or 4
    offset, length = struct.unpack_from("<II", blob, 0x248)
    payload = blob[(sectors + 1) * 512 + offset:][:length]
    if payload.startswith(b"\xfd7zXZ\0"):
        plain = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        plain = zlib.decompressobj(31).decompress(payload)
    elif payload.startswith(b"\x28\xb5\x2f\xfd"):
        # The payload ends with its length, which zstd calls garbage after having written everything.
        plain = subprocess.run(["zstd", "-dc"], input=payload, capture_output=True, check=False).stdout
    else:
        sys.exit(f"{image}: unknown compression {payload[:6].hex()}")
    return plain[plain.index(b"\x7fELF"):]


class Kernel:
    """One unpacked kernel. `version` is None until `get` has fetched it."""

    def __init__(self, series):
        self.series = series
        self.folder = cache() / "kernels" / series
        mark = self.folder / "version"
        self.version = mark.read_text(encoding="ascii").strip() if mark.exists() else None

    @property
    def modules(self):
        """/lib/modules/VERSION of the kernel; from 6.18 on it lies below /usr."""
        return next((self.folder / "root").glob(f"**/lib/modules/{self.version}"))

    @property
    def vmlinux(self):
        return self.folder / "vmlinux"


def get(series):
    """The kernel of `series`, downloaded and unpacked when the cache does not have it."""
    with locked(f"kernel-{series}"):
        kernel = Kernel(series)
        if kernel.version:
            return kernel
        apt = Apt(SUITES.get(series, NEWER))
        apt.run("apt-get", "update", "-qq")
        image, release = apt.newest_image(series)
        print(f"{series}: downloading {image}", file=sys.stderr)
        shutil.rmtree(kernel.folder, ignore_errors=True)
        debs = kernel.folder / "debs"
        debs.mkdir(parents=True)
        apt.run("apt-get", "download", *apt.parts(image, release), cwd=debs)
        for deb in debs.iterdir():
            subprocess.run(["dpkg", "-x", deb, kernel.folder / "root"], check=True)
        shutil.rmtree(debs)
        finish(kernel, release)
        return Kernel(series)


def finish(kernel, release):
    root, kernel.version = kernel.folder / "root", release
    subprocess.run(["depmod", "-b", kernel.modules.parents[2], release], check=True)
    image = next(p for p in (root / f"boot/vmlinuz-{release}", kernel.modules / "vmlinuz") if p.exists())
    kernel.vmlinux.write_bytes(unpack_elf(image))
    (kernel.folder / "version").write_text(release + "\n", encoding="ascii")
