"""What the tests with machines share. Their environment is of test/python/python.test.ts."""

import os
import subprocess
import time
import unittest
from pathlib import Path

from smolvm import SmolVMError, VMConfig, _client
from smolvm.boot import KERNEL, ROOTFS

PROGRAM = os.environ.get("SMOLVM_BIN", "")
#: An archive with busybox, whose workload ignores SIGTERM.
STUBBORN = Path(os.environ.get("TEST_STUBBORN_IMAGE", "/none"))

#: Seconds that anything may take here, where two busy cores emulate machines.
LONG = 120


def config(**more):
    """The smallest machine of the built-in system."""
    return VMConfig(**{"kernel_path": KERNEL, "rootfs_path": ROOTFS, "vcpu_count": 1, "mem_size_mib": 256, **more})


def smolvm(*words):
    """The command line: what it prints. Raises CalledProcessError."""
    return subprocess.run([PROGRAM, *words], check=True, capture_output=True, text=True, timeout=LONG).stdout


def names():
    """The machines that there are."""
    return smolvm("machine", "ls", "-q").split()


def until(what, condition):
    """Of another program there is no event to wait for."""
    end = time.monotonic() + LONG
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"it took too long: {what}")
        time.sleep(0.05)


class MachineTest(unittest.TestCase):
    """A test after which no machine is there that was not before."""

    def setUp(self):
        self.before = set(names())
        self.addCleanup(self.expect_nothing_left)

    def expect_nothing_left(self):
        self.assertEqual(set(names()) - self.before, set())

    def assertCode(self, code):
        return _Code(self, code)


class _Code:
    def __init__(self, test, code):
        self.raises = test.assertRaises(SmolVMError)
        self.test, self.code = test, code

    def __enter__(self):
        return self.raises.__enter__()

    def __exit__(self, *error):
        result = self.raises.__exit__(*error)
        self.test.assertEqual(self.raises.exception.details.get("code"), self.code)
        return result


def child_of(place=_client.Place()):
    """The child that serves this process."""
    return _client.child_of(place)
