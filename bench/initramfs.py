# SPDX-License-Identifier: GPL-2.0-only
"""A small initramfs for kexec-tools, to be compared with nvwa's: bench/first.c, and what it needs.

Not compressed, as nvwa's is not.
"""

import os
import stat

from guest import OUT

ALIGN = 4
# As modules in the guest, in the order of their insertion, decompressed. Those that are
# built in have no file.
LIST_MODULES = r"""
rm -rf /root/bench-modules && mkdir /root/bench-modules && cd /root/bench-modules
i=10
modprobe --show-depends -S RELEASE -a virtio_pci virtio_blk ext4 | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
while read -r file; do
    name=$i-$(basename "${file%%.ko*}").ko
    case $file in
    *.xz) xz -dc "$file" >"$name" ;;
    *.zst) zstd -qdc "$file" >"$name" ;;
    *) cp "$file" "$name" ;;
    esac
    i=$((i + 1))
done
"""


class Cpio:
    """The format of Documentation/driver-api/early-userspace/buffer-format.rst: newc."""

    def __init__(self):
        self.data = bytearray()
        self.number = 0

    def _align(self):
        self.data += bytes(-len(self.data) % ALIGN)

    def add(self, name, mode, content=b"", device=(0, 0)):
        self.number += 1
        fields = (self.number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
        self.data += b"070701" + b"".join(b"%08x" % field for field in fields)
        self.data += name.encode() + b"\0"
        self._align()
        self.data += content
        self._align()

    def directory(self, name):
        self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name, content, mode=0o644):
        self.add(name, stat.S_IFREG | mode, content)

    def end(self):
        self.add("TRAILER!!!", 0)
        return bytes(self.data)


def first():
    with open(os.path.join(OUT, "bench-first"), "rb") as file:
        return file.read()


def start():
    cpio = Cpio()
    for name in ("dev", "proc", "sys", "run", "root"):
        cpio.directory(name)
    # The console, as /init has no other way to speak at first (include/uapi/linux/major.h).
    cpio.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    cpio.file("init", first(), 0o755)
    return cpio


def that_ends(size):
    """One that says when it ran and is done, of so many bytes at least."""
    cpio = start()
    cpio.file("fill", bytes(max(0, size - len(cpio.data))))
    return cpio.end()


def that_boots(guest, release):
    """One that goes on to the guest's root; the modules are taken out of the guest."""
    guest.sh(LIST_MODULES.replace("RELEASE", release))
    where = os.path.join(OUT, f"modules-{release}")
    guest.pull("/root/bench-modules", where)
    cpio = start()
    names = sorted(name for name in os.listdir(where) if name.endswith(".ko"))
    for name in names:
        with open(os.path.join(where, name), "rb") as file:
            cpio.file(name, file.read())
    cpio.file("modules", "".join(f"/{name}\n" for name in names).encode())
    cpio.file("root-device", b"/dev/vda\n")
    cpio.file("root-type", b"ext4\n")
    return cpio.end()
