"""Leave a process only the system calls that decoding needs (seccomp(2), Linux since 3.17).

What is not in the list fails with EPERM: no socket is opened, no program and no process started, no
signal sent to another process, no limit raised. Newer calls than this list knows, and ``clone3``,
whose flags a filter cannot see, fail with ENOSYS, upon which the C library takes the older call.

The library for this, libseccomp, is a system package that not every machine has; the filter is one
list of comparisons, so it is written out here.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from itertools import chain
from typing import Final

# The calls' numbers on x86-64 and on aarch64 (Linux' unistd_64.h and asm-generic/unistd.h); None
# where the machine does not have the call. The frequent ones come first.
_NEEDED: Final[dict[str, tuple[int | None, int | None]]] = {
    "futex": (202, 98), "read": (0, 63), "write": (1, 64), "lseek": (8, 62), "pread64": (17, 67),
    "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66), "preadv": (295, 69),
    "pwritev": (296, 70), "preadv2": (327, 286), "pwritev2": (328, 287), "close": (3, 57),
    "fstat": (5, 80), "stat": (4, None), "lstat": (6, None), "newfstatat": (262, 79),
    "statx": (332, 291), "access": (21, None), "faccessat": (269, 48), "faccessat2": (439, 439),
    "readlink": (89, None), "readlinkat": (267, 78), "getdents64": (217, 61), "getcwd": (79, 17),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "fcntl": (72, 25),
    "sendfile": (40, 71), "copy_file_range": (326, 285), "ftruncate": (77, 46),
    "fallocate": (285, 47), "fadvise64": (221, 223), "fstatfs": (138, 44), "pipe2": (293, 59),
    "memfd_create": (319, 279), "mmap": (9, 222), "munmap": (11, 215), "mprotect": (10, 226),
    "mremap": (25, 216), "madvise": (28, 233), "mincore": (27, 232), "brk": (12, 214),
    "membarrier": (324, 283), "recvmsg": (47, 212), "recvfrom": (45, 207), "sendmsg": (46, 211),
    "sendto": (44, 206), "getsockopt": (55, 209), "getsockname": (51, 204),
    "getpeername": (52, 205), "shutdown": (48, 210), "poll": (7, None), "ppoll": (271, 73),
    "select": (23, None), "pselect6": (270, 72), "set_robust_list": (273, 99),
    "rseq": (334, 293), "set_tid_address": (218, 96), "exit": (60, 93), "exit_group": (231, 94),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120), "getcpu": (309, 168), "gettid": (186, 178),
    "getpid": (39, 172), "getppid": (110, 173), "rt_sigprocmask": (14, 135),
    "rt_sigaction": (13, 134), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115), "nanosleep": (35, 101), "gettimeofday": (96, 169),
    "time": (201, None), "times": (100, 153), "getrusage": (98, 165), "getrlimit": (97, 163),
    "sysinfo": (99, 179), "uname": (63, 160), "getrandom": (318, 278), "getuid": (102, 174),
    "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
}  # fmt: skip
# Needed too, with some arguments only.
_WITH_ARGUMENTS: Final[dict[str, tuple[int | None, int | None]]] = {
    "open": (2, None), "openat": (257, 56), "clone": (56, 220), "prctl": (157, 167),
    "ioctl": (16, 29), "tgkill": (234, 131), "prlimit64": (302, 261), "clone3": (435, 435),
}  # fmt: skip
_NEWEST_KNOWN: Final = 450

_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_KILL_PROCESS, _ERRNO, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CLONE_THREAD = 0x10000
_PRCTL_HARMLESS = (15, 16, 0x53564D41)  # names of threads and of mappings
_IOCTL_HARMLESS = (0x5401, 0x541B, 0x5450, 0x5451)  # TCGETS, FIONREAD, FIONCLEX, FIOCLEX

# Instructions of the classic packet filter, and where seccomp_data keeps what they look at.
_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_CALL_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_FORBIDDEN, _UNKNOWN = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS

_Instruction = tuple[int, int, int, int]
_libc = ctypes.CDLL(None, use_errno=True)


def filter_calls() -> bool:
    """Leave all threads of this process the listed calls only, for good.

    The process must have renounced new privileges (``PR_SET_NO_NEW_PRIVS``).

    Returns:
        False where the kernel has no filters, or the machine is neither x86-64 nor aarch64.
    """
    machine = platform.machine()
    if machine not in _SECCOMP:
        return False
    program = filter_program(machine)
    packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    held = ctypes.create_string_buffer(packed, len(packed))
    described = struct.pack("@HP", len(program), ctypes.addressof(held))
    call = _SECCOMP[machine]
    return _libc.syscall(call, _SET_MODE_FILTER, _ALL_THREADS, described) == 0


def named_calls(machine: str = "x86_64") -> dict[str, int | None]:
    """Return the numbers of the calls that the filter lets through, be it with some arguments.

    Args:
        machine: ``x86_64`` or ``aarch64``; a call that it does not have has no number.
    """
    column = 0 if machine == "x86_64" else 1
    return {name: numbers[column] for name, numbers in (_NEEDED | _WITH_ARGUMENTS).items()}


def filter_program(machine: str) -> list[_Instruction]:
    """Return the filter for ``x86_64`` or ``aarch64``, for this process alone."""
    numbers = named_calls(machine)
    program: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _CALL_AT),
    ]
    program += _passing(numbers[name] for name in _NEEDED)
    for name, then in {
        "open": _without_bits(1, _WRITING),
        "openat": _without_bits(2, _WRITING),
        "clone": _with_bits(0, _CLONE_THREAD),
        "prctl": _one_of(0, _PRCTL_HARMLESS),
        "ioctl": _one_of(1, _IOCTL_HARMLESS),
        "tgkill": _one_of(0, (os.getpid(),)),
        "prlimit64": _zero(2),
        "clone3": [(_RETURN, 0, 0, _UNKNOWN)],
    }.items():
        number = numbers[name]
        program += [] if number is None else _when(number, then)
    return [
        *program,
        (_GREATER, 0, 1, _NEWEST_KNOWN),
        (_RETURN, 0, 0, _UNKNOWN),
        (_RETURN, 0, 0, _FORBIDDEN),
    ]


def _passing(numbers: Iterable[int | None]) -> list[_Instruction]:
    tests = (_when(one, [(_RETURN, 0, 0, _ALLOW)]) for one in numbers if one is not None)
    return list(chain.from_iterable(tests))


def _when(number: int, then: list[_Instruction]) -> list[_Instruction]:
    """Do this for one call, and go on for all others; ``then`` ends by returning."""
    return [(_EQUAL, 0, len(then), number), *then]


def _load(argument: int, half: int = 0) -> _Instruction:
    """Load the lower half of an argument, or its upper one; both machines are little-endian."""
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument + 4 * half)


def _without_bits(argument: int, bits: int) -> list[_Instruction]:
    return [_load(argument), (_ANY_BIT, 0, 1, bits), *_verdicts(_FORBIDDEN, _ALLOW)]


def _with_bits(argument: int, bits: int) -> list[_Instruction]:
    return [_load(argument), (_ANY_BIT, 0, 1, bits), *_verdicts(_ALLOW, _FORBIDDEN)]


def _one_of(argument: int, values: tuple[int, ...]) -> list[_Instruction]:
    tests = [(_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [_load(argument), *tests, *_verdicts(_FORBIDDEN, _ALLOW)]


def _zero(argument: int) -> list[_Instruction]:
    halves: list[_Instruction] = [
        _load(argument),
        (_EQUAL, 0, 2, 0),
        _load(argument, 1),
        (_EQUAL, 1, 0, 0),
    ]
    return [*halves, *_verdicts(_FORBIDDEN, _ALLOW)]


def _verdicts(first: int, second: int) -> list[_Instruction]:
    return [(_RETURN, 0, 0, first), (_RETURN, 0, 0, second)]
