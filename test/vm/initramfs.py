"""initramfs.py - what the virtual machine boots: Debian's cloud kernel, and an archive of busybox, Python, Litestream and fly-atc.
SPDX-License-Identifier: MIT
"""
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "fly-atc"
PYTHON = pathlib.Path("/usr/bin/python3")
UNUSED = ("test", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "distutils", "pydoc_data", "__pycache__")
MODULES = ("net/core/failover.ko", "drivers/net/net_failover.ko", "drivers/virtio/virtio.ko", "drivers/virtio/virtio_ring.ko",
           "drivers/virtio/virtio_pci_legacy_dev.ko", "drivers/virtio/virtio_pci_modern_dev.ko", "drivers/virtio/virtio_pci.ko",
           "drivers/net/virtio_net.ko", "drivers/ptp/ptp_kvm.ko")

LOADED_LATER = sorted(map(str, pathlib.Path("/usr/lib").glob("*/libcurl.so.4")))    # by dlopen


def kernel():
    """(vmlinuz, the folder of its modules): unpacked, not installed, from the package of today."""
    meta = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True, check=True).stdout
    package = re.search(r"Depends: (linux-image-\S+)", meta)[1]
    place = CACHE / "vm" / package
    if not place.exists():
        with tempfile.TemporaryDirectory(prefix="kernel-", dir="/tmp") as folder:
            subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            deb, = pathlib.Path(folder).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", deb, folder + "/x"], check=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder + "/x", place)
    image, = place.glob("boot/vmlinuz-*")
    modules, = place.glob("lib/modules/*/kernel")
    return image, modules


def libraries(program):
    """What a program is linked with, the dynamic linker included; a static one has none."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return set(re.findall(r"(/\S+) \(0x", told.stdout)) if told.returncode == 0 else set()


class Archive:
    """cpio, in the form that the kernel reads."""

    def __init__(self, file):
        self.file, self.number, self.folders, self.names = file, 0, set(), set()

    def entry(self, name, mode, data=b"", device=(0, 0)):
        self.number += 1
        encoded = name.encode() + b"\0"
        fields = (self.number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self.file.write(head + b"\0" * (-len(head) % 4))
        self.file.write(data)
        self.file.write(b"\0" * (-len(data) % 4))

    def folder(self, name):
        for parent in [*reversed(pathlib.PurePath(name).parents), pathlib.PurePath(name)]:
            if str(parent) not in (".", "/") and parent not in self.folders:
                self.folders.add(parent)
                self.entry(str(parent), stat.S_IFDIR | 0o755)

    def text(self, name, text, mode=0o644):
        self.folder(os.path.dirname(name) or ".")
        self.entry(name, stat.S_IFREG | mode, text.encode())

    def copy(self, source, name=None):
        """A file, under its own name if no other is said."""
        name = (name or str(source)).lstrip("/")
        if name in self.names:
            return
        self.names.add(name)
        self.folder(os.path.dirname(name) or ".")
        path = pathlib.Path(source)
        self.entry(name, stat.S_IFREG | (0o755 if os.access(path, os.X_OK) else 0o644), path.read_bytes())

    def program(self, source, name):
        self.copy(source, name)
        for library in libraries(source):
            self.copy(library)

    def tree(self, source):
        for folder, names, files in os.walk(source):
            names[:] = [each for each in names if each not in UNUSED and not each.startswith("config-")]
            for each in files:
                path = pathlib.Path(folder, each)
                self.copy(path)
                if path.suffix == ".so":
                    for library in libraries(path):
                        self.copy(library)

    def end(self):
        self.entry("TRAILER!!!", 0)


def build(program, path, files):
    """An initramfs at `path`; `files` are texts by name. Returns the kernel to boot it with."""
    image, modules = kernel()
    with open(path, "wb") as file:
        archive = Archive(file)
        for name in ("proc", "sys", "dev", "tmp", "run", "root", "data", "etc", "bin", ".fly"):
            archive.folder(name)
        archive.entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
        archive.copy(shutil.which("busybox"), "bin/busybox")
        for name in MODULES:
            if (modules / name).exists():
                archive.copy(modules / name, "modules/" + os.path.basename(name))
        archive.program(program, "bin/fly-atc")
        for library in LOADED_LATER:
            archive.program(library, library)
        archive.program(CACHE / "bin" / "litestream", "bin/litestream")
        archive.program(PYTHON.resolve(), "usr/bin/python3")
        archive.tree(sorted(pathlib.Path("/usr/lib").glob("python3.*"))[-1])
        archive.copy(ROOT / "test" / "apps" / "knobs" / "knobs.py", "app/knobs.py")
        archive.copy(HERE / "guest" / "init", "init")
        archive.copy(HERE / "guest" / "fly_api.py", "bin/fly_api.py")
        for name, text in files.items():
            archive.text(name, text)
        archive.end()
    return image
