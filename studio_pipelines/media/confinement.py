"""Take away from a process what decoding does not need, by the kernel's own means (Linux).

Resource limits, no privileges, death with its owner and, where the kernel has Landlock
(landlock(7), since 5.13), no access to any file, program, TCP port or process other than through
descriptors that it is handed; :mod:`syscall_filter` then leaves it few system calls. Each is a
second wall: the first is that the process holds nothing.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE = 1, 38, 4
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_RULE_PATH_BENEATH = 1
_READ_FILE_AND_FOLDER = 1 << 2 | 1 << 3
_MAX_OPEN_FILES = 64
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def limit_resources(*, memory_bytes: int, file_bytes: int) -> None:
    """Cap the address space, the size of any file written, open files and core dumps."""
    for which, bound in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, _MAX_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(which)
        allowed = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(which, (allowed, allowed))


def die_with_owner(owner_pid: int) -> None:
    """Have the kernel kill this process when its owner ends, however it ends.

    Raises:
        ProcessLookupError: The owner has ended already.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != owner_pid:
        raise ProcessLookupError(owner_pid)


def renounce_privileges() -> None:
    """Give up privileges, gaining them and being inspected, and signals meant for the owner's job.

    Without its capabilities even root's process cannot raise its limits again.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    nobody = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24)  # capset(2), of itself
    _require(_libc.capset(*nobody))
    _prctl(_PR_SET_DUMPABLE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def shut_out_files(*, readable: Iterable[str] = ()) -> bool:
    """Deny this process every file, TCP port and outside process by name, for good.

    Threads that run already are not confined: call it before any is started.

    Args:
        readable: Existing folders that stay readable, for code that libraries load late.

    Returns:
        False where the kernel has no Landlock; resource limits then stand alone.
    """
    if platform.machine() not in ("x86_64", "aarch64"):  # the call numbers hold for these
        return False
    version = _libc.syscall(
        _LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION
    )
    if version < 1:
        return False
    rights = _landlock_rights(version)
    ruleset = _libc.syscall(_LANDLOCK_CREATE_RULESET, rights, ctypes.c_size_t(len(rights)), 0)
    if ruleset < 0:
        return False
    for folder in readable:
        fd = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", _READ_FILE_AND_FOLDER, fd)
        _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, 0)
        os.close(fd)
    refused = _libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return refused == 0


def _landlock_rights(version: int) -> bytes:
    """Every right that the kernel's version of Landlock handles, as its ruleset attributes."""
    file_bits = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    tcp_bits = 2 if version >= 4 else 0
    scope_bits = 2 if version >= 6 else 0
    fields = [(1 << file_bits) - 1, (1 << tcp_bits) - 1, (1 << scope_bits) - 1]
    fields = fields[: 3 if version >= 6 else 2 if version >= 4 else 1]
    return struct.pack(f"={len(fields)}Q", *fields)


def _prctl(option: int, value: int) -> None:
    arguments = (ctypes.c_ulong(value), *(ctypes.c_ulong(0) for _ in range(3)))
    _require(_libc.prctl(option, *arguments))


def _require(status: int) -> None:
    if status != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
