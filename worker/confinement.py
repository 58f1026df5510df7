"""What a process may still do that reads strangers' files: compute, read one slide, answer. Linux.

Three walls of the kernel, none of which needs privileges: resource limits; a seccomp filter that refuses sockets,
new programs, new processes, signals to others and changing the rights of files; and Landlock, which leaves only some
folders to read and none to write. What was open before stays usable: that is how results come out.

Source: setrlimit(2), seccomp(2), landlock(7), the kernel's syscall tables.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_PDEATHSIG, _SECCOMP, _NO_NEW_PRIVS = 1, 22, 38  # linux/prctl.h

_REFUSED = {
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept4": (288, 242),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "prlimit64": (302, 261),
    "memfd_create": (319, 279),
    "request_key": (249, 218),
    "truncate": (76, 45),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "utimensat": (280, 88),
}
"""Calls that answer EPERM, with their numbers on x86-64 and on 64-bit ARM."""
_REFUSED_X86 = (57, 58, 90, 92, 94, 132, 235)
"""fork, vfork, chmod, chown, lchown, utime, utimes: calls that 64-bit ARM does not have."""
_MACHINES = {"x86_64": (0, 0xC000003E, 56, 234), "aarch64": (1, 0xC00000B7, 220, 131)}
"""Column in the table, the audit architecture, and the numbers of clone and tgkill."""
_CLONE3 = 435
_CLONE_THREAD = 0x10000
_X32 = 0x40000000
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


@dataclass(frozen=True)
class Limits:
    """How much a confined process may use.

    Attributes:
        memory_bytes: of data, with the whole stack of each thread, 8 MiB.
        cpu_s: seconds of all its threads together.
        file_bytes: up to which it may write a file.
        open_files: at a time.
    """

    memory_bytes: int = 2 << 30
    cpu_s: int = 4 * 3600
    file_bytes: int = 200 << 30
    open_files: int = 256


def confine(limits: Limits, *, readable: Iterable[Path]) -> None:
    """Put up the walls around this process, for good. Call it while there is one thread.

    Where the kernel has no seccomp or no Landlock, the process goes on with what there is; `samsyn doctor` tries
    the walls and says which are missing.

    Args:
        readable: files and folders that it may go on opening; those that are missing are passed over.
    """
    for kind, most in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),  # a core dump would hold the slide
    ):
        allowed = resource.getrlimit(kind)[1]
        most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        # At the soft limit of computing comes SIGXCPU, which says why; at the hard one SIGKILL.
        hard = most + 5 if kind == resource.RLIMIT_CPU and allowed == resource.RLIM_INFINITY else most
        resource.setrlimit(kind, (most, hard))
    if sys.platform == "linux":
        _LIBC.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        _restrict_files(readable)
        _restrict_calls()


def die_with_parent(parent: int) -> None:
    """Be killed when the process that forked this one ends, however it ends. Linux; prctl(2).

    Args:
        parent: its id, in case it has ended already.
    """
    if sys.platform == "linux":
        _LIBC.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _restrict_files(readable: Iterable[Path]) -> None:
    create, add, restrict = 444, 445, 446
    version = _LIBC.syscall(create, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return
    # Everything that the first version knows, moving between folders (2) and truncating (3).
    handled = (1 << 13) - 1 | (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    attributes = struct.pack("<Q", handled)
    ruleset = _LIBC.syscall(create, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return
    read_file, read_folder = 1 << 2, 1 << 3
    for path in readable:
        try:
            handle = os.open(path, os.O_PATH)
        except OSError:
            continue
        rights = read_file | read_folder if path.is_dir() else read_file
        _LIBC.syscall(add, ruleset, 1, struct.pack("<Qi", rights, handle), 0)
        os.close(handle)
    _LIBC.syscall(restrict, ruleset, 0)
    os.close(ruleset)


def _restrict_calls() -> None:
    if platform.machine() not in _MACHINES:
        return
    column, architecture, clone, signal_thread = _MACHINES[platform.machine()]
    load, jump_equal, jump_at_least, jump_set, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    number, architecture_at, first_argument = 0, 4, 16

    def instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("<HBBI", code, then, otherwise, value)

    refuse, missing = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    program = [
        instruction(load, architecture_at),
        instruction(jump_equal, architecture, 1, 0),
        instruction(answer, _KILL),
        instruction(load, number),
        instruction(jump_at_least, _X32, 0, 1),
        instruction(answer, refuse),
        # Threads are allowed, processes are not; clone3 hides its flags, and libc does without it.
        instruction(jump_equal, _CLONE3, 0, 1),
        instruction(answer, missing),
        instruction(jump_equal, clone, 0, 3),
        instruction(load, first_argument),
        instruction(jump_set, _CLONE_THREAD, 1, 0),
        instruction(answer, refuse),
        instruction(load, number),
    ]
    # A process may end itself by a signal, as abort(3) does, and nobody else.
    program += [
        instruction(jump_equal, signal_thread, 0, 4),
        instruction(load, first_argument),
        instruction(jump_equal, os.getpid(), 1, 0),
        instruction(answer, refuse),
        instruction(answer, _ALLOW),
    ]
    for refused in (*(numbers[column] for numbers in _REFUSED.values()), *(() if column else _REFUSED_X86)):
        program += [instruction(jump_equal, refused, 0, 1), instruction(answer, refuse)]
    program.append(instruction(answer, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(program), 8 * len(program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    _LIBC.prctl(_SECCOMP, 2, header, 0, 0)
