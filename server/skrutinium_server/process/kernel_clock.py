"""Whether the kernel takes its clock for synchronised: adjtimex(2), which is only asked, never set. Linux."""

import ctypes
import os
from typing import Final

_UNSYNCHRONISED: Final = 0x40
"""STA_UNSYNC of <linux/timex.h>; chrony (with rtcsync), ntpd and systemd-timesyncd clear it."""


class _Timex(ctypes.Structure):
    """The beginning of ``struct timex``, and more room than the rest of it takes; ``modes`` 0 asks."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


def is_synchronised() -> bool:
    """Whether a time service keeps the clock; raises OSError when the kernel does not answer."""
    told = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told)) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return not told.status & _UNSYNCHRONISED
