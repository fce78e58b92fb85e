"""Memory of a GPU, taken and given back through the driver's own library."""

from __future__ import annotations

import ctypes
from typing import Any


class Cuda:
    """Memory of one GPU, taken and given back through the driver's own library.

    Raises:
        OSError: the library is not there, or a call failed.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")
        self._call("cuInit", 0)

    def devices(self) -> dict[str, int]:
        """Return UUID -> number of every GPU that CUDA shows to this process."""
        count = ctypes.c_int()
        self._call("cuDeviceGetCount", ctypes.byref(count))
        found = {}
        for number in range(count.value):
            device, uuid = ctypes.c_int(), (ctypes.c_ubyte * 16)()
            self._call("cuDeviceGet", ctypes.byref(device), number)
            self._call("cuDeviceGetUuid", uuid, device)
            digits = bytes(uuid).hex()
            found["GPU-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))] = number
        return found

    def open(self, number: int) -> None:
        """Make a context on a GPU; that takes memory, too."""
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuDeviceGet", ctypes.byref(device), number)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)

    def take(self, size: int) -> int:
        """Allocate bytes; return their address."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address.value

    def give_back(self, address: int) -> None:
        """Free what was allocated."""
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def _call(self, name: str, *arguments: Any) -> None:
        failed = getattr(self._library, name)(*arguments)
        if failed:
            raise OSError(f"{name} failed with {failed}")
