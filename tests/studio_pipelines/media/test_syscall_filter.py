"""The filter of system calls, on both machines that it is for, whichever runs the tests.

``linux_calls.csv`` has the numbers of the calls that the filter names, and of others that it must
not let through. It was written from Debian's ``linux-libc-dev`` 6.1: ``gcc -E -dM`` on
``asm/unistd_64.h``, and for aarch64 on ``asm-generic/unistd.h`` with ``__BITS_PER_LONG=64`` and
what arm64's ``asm/unistd.h`` asks of it (``__ARCH_WANT_RENAMEAT``, ``NEW_STAT``,
``SET_GET_RLIMIT``, ``TIME32_SYSCALLS``, ``SYS_CLONE3``, ``MEMFD_SECRET``).
"""

import csv
import errno
import itertools
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipelines.media import confinement, syscall_filter
from studio_pipelines.media.syscall_filter import filter_program, named_calls

MACHINES = ("x86_64", "aarch64")
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003, "arm": 0x40000028}
ALLOW, KILL = 0x7FFF0000, 0x80000000
NO, UNKNOWN = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
PLAIN = (0,) * 6
# By the first argument that decides: what passes, and what does not.
WITH_ARGUMENTS = {
    "open": [((0, os.O_RDONLY), ALLOW), ((0, os.O_RDWR), NO), ((0, os.O_CREAT), NO)],
    "openat": [((0, 0, os.O_RDONLY), ALLOW), ((0, 0, os.O_WRONLY), NO), ((0, 0, os.O_TRUNC), NO)],
    "clone": [((0x3D0F00,), ALLOW), ((0,), NO), ((17,), NO)],
    "clone3": [((0, 88), UNKNOWN)],
    "prctl": [((15,), ALLOW), ((16,), ALLOW), ((0x53564D41,), ALLOW), ((4, 1), NO), ((22,), NO)],
    "ioctl": [((1, 0x5401), ALLOW), ((1, 0x541B), ALLOW), ((1, 0x5412), NO), ((1, 0), NO)],
    "tgkill": [((os.getpid(), 5, 6), ALLOW), ((1, 1, 9), NO), ((0, 0, 0), NO)],
    "prlimit64": [((0, 7, 0), ALLOW), ((0, 7, 1), NO), ((0, 7, 1 << 32), NO)],
}


def numbers() -> dict[str, dict[str, int | None]]:
    with (Path(__file__).resolve().parents[2] / "linux_calls.csv").open() as file:
        return {
            row["call"]: {one: int(row[one]) if row[one] else None for one in MACHINES}
            for row in csv.DictReader(file)
        }


NUMBERS = numbers()


def verdict(
    machine: str, call: int, arguments: tuple[int, ...] = PLAIN, architecture: int | None = None
) -> int:
    """Run the filter as the kernel does (classic BPF on ``seccomp_data``)."""
    told = AUDIT[machine] if architecture is None else architecture
    padded = (*arguments, *PLAIN)[:6]
    data = struct.pack("<iIQ6Q", call, told, 0, *padded)
    program, at, held = filter_program(machine), 0, 0
    while True:
        code, if_so, if_not, value = program[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
            continue
        so = {0x15: held == value, 0x25: held > value, 0x45: bool(held & value)}[code]
        at += if_so if so else if_not


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    assert {name: NUMBERS[name][machine] for name in named_calls()} == named_calls(machine)


@pytest.mark.parametrize("machine", MACHINES)
def test_what_decoding_needs_passes_and_all_else_fails(machine: str) -> None:
    named = named_calls(machine).keys()
    for name, number in ((name, each[machine]) for name, each in NUMBERS.items()):
        if number is not None and name not in WITH_ARGUMENTS:
            assert verdict(machine, number) == (ALLOW if name in named else NO), name
    assert len(NUMBERS) - len(named) > 70


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_pass_with_some_arguments_only(machine: str) -> None:
    for name, cases in WITH_ARGUMENTS.items():
        number = NUMBERS[name][machine]
        for arguments, expected in cases:
            if number is None:
                continue
            assert verdict(machine, number, arguments) == expected, (name, arguments)


@given(
    call=st.integers(0, 700) | st.integers(0, 2**31 - 1),
    arguments=st.tuples(*[st.integers(0, 2**64 - 1)] * 6),
)
def test_whatever_has_no_name_fails_whatever_it_asks(call: int, arguments: tuple[int, ...]) -> None:
    for machine in MACHINES:
        if call not in named_calls(machine).values():
            expected = UNKNOWN if call > 450 else NO
            assert verdict(machine, call, arguments) == expected


def test_another_machine_s_calls_end_the_process() -> None:
    for machine, other in itertools.product(MACHINES, AUDIT):
        if other != machine:
            assert verdict(machine, 0, architecture=AUDIT[other]) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_is_one_that_the_kernel_takes(machine: str) -> None:
    program = filter_program(machine)
    assert len(program) <= 4096
    for at, (_, if_so, if_not, _) in enumerate(program):
        assert max(if_so, if_not) <= 255
        assert at + 1 + max(if_so, if_not) < len(program) + (program[at][0] == 0x06)


def test_the_calls_that_raise_the_walls_have_their_numbers() -> None:
    assert NUMBERS["seccomp"] == syscall_filter._SECCOMP
    made = dict.fromkeys(MACHINES, confinement._LANDLOCK_CREATE_RULESET)
    assert NUMBERS["landlock_create_ruleset"] == made
