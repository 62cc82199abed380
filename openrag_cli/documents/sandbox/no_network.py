"""A process that can reach no network: a seccomp filter, set through ctypes, that needs no privilege (seccomp(2)).

The filter is inherited by children and can never be taken off. AF_UNIX sockets stay.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_SOCKET = {"x86_64": (41, 0xC000003E), "aarch64": (198, 0xC00000B7)}
"""The number of socket(2) and the audit name of the architecture, by machine."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_X32 = 0x40000000
_IO_URING_SETUP = 425
_FAMILIES = (2, 10)  # AF_INET, AF_INET6


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def is_supported() -> bool:
    """Whether this machine has such filters: Linux on x86-64 or arm64."""
    return sys.platform == "linux" and platform.machine() in _SOCKET


def missing() -> str | None:
    """Return why a process cannot be kept from sockets on this machine; None where it can."""
    if not is_supported():
        return f"converters could open sockets: no filter is known for this processor ({platform.machine()})"
    code = _probe()
    if code == errno.EFAULT:  # there is no filter at the address: the kernel would have taken one
        return None
    reason = "the kernel has no seccomp filters" if code == errno.EINVAL else f"seccomp: {os.strerror(code)}"
    return f"converters could open sockets: {reason}"


def _probe() -> int:
    """Return the error of setting a filter that is nowhere; it changes nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, None)
    return ctypes.get_errno()


def forbid_network(*, kill: bool = False, is_total: bool = False) -> None:
    """Forbid this process and its children to open INET sockets: an error (EAFNOSUPPORT), or its end with `kill`.

    With `is_total` no socket of any family, and no io_uring, which can open them unseen.

    Raises:
        OSError: the kernel refuses, or there are no such filters here.
    """
    if not is_supported():
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    number, architecture = _SOCKET[platform.machine()]
    verdict = _KILL_PROCESS if kill else _ERRNO | errno.EAFNOSUPPORT
    rows = _rows_for_all(number, architecture, verdict) if is_total else _rows(number, architecture, verdict)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", op, jt, jf, k) for op, jt, jf, k in rows))
    program = _Program(len(rows), ctypes.cast(code, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program)
    ):
        code_of_error = ctypes.get_errno()
        raise OSError(code_of_error, os.strerror(code_of_error))


def _rows(number: int, architecture: int, verdict: int) -> list[tuple[int, int, int, int]]:
    return [
        (_LOAD, 0, 0, 4),  # the architecture
        (_JUMP_EQUAL, 0, 7, architecture),  # 32-bit calls have other numbers: all of them are refused
        (_LOAD, 0, 0, 0),  # the number of the system call
        (_JUMP_AT_LEAST, 5, 0, _X32),  # and so have those of x32
        (_JUMP_EQUAL, 0, 3, number),
        (_LOAD, 0, 0, 16),  # its first argument, the address family
        (_JUMP_EQUAL, 2, 0, _FAMILIES[0]),
        (_JUMP_EQUAL, 1, 0, _FAMILIES[1]),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, verdict),
    ]


def _rows_for_all(number: int, architecture: int, verdict: int) -> list[tuple[int, int, int, int]]:
    return [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 0, 5, architecture),
        (_LOAD, 0, 0, 0),
        (_JUMP_AT_LEAST, 3, 0, _X32),
        (_JUMP_EQUAL, 2, 0, number),
        (_JUMP_EQUAL, 1, 0, _IO_URING_SETUP),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, verdict),
    ]
