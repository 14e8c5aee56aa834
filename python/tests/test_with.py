"""The rules of `with`: celesto-sdk.md, C1 to C6."""

import os
import signal
import unittest

from machines import LONG, MachineTest, child_of, config, names, smolvm, until
from smolvm import SmolVM, SmolVMError, VMState


class Leaving(MachineTest):
    def test_c1_c3_c4_c5_a_machine_of_ones_own(self):
        with SmolVM(config()) as vm:
            self.assertIs(vm.status, VMState.RUNNING)
        self.assertIs(vm.status, VMState.STOPPED)
        self.assertNotIn(vm.vm_id, names())
        with self.assertRaisesRegex(SmolVMError, "closed"):
            vm.refresh()

    def test_c2_c3_c4_c5_a_machine_that_was_there(self):
        smolvm("machine", "create", "there", "--cpus", "1", "--mem", "256")
        try:
            with SmolVM.from_id("there") as vm:
                self.assertIs(vm.status, VMState.CREATED)
            with SmolVM.from_id("there") as vm:
                vm.start(boot_timeout=LONG)
                vm.run("echo mine >/file")
            self.assertIn("there", names())
            self.assertIs(SmolVM.from_id("there").status, VMState.STOPPED)
            with self.assertRaisesRegex(SmolVMError, "closed"):
                vm.refresh()
        finally:
            smolvm("machine", "delete", "-f", "there")

    def test_c6_what_fails_on_the_way_out_hides_nothing(self):
        class Mine(Exception):
            pass

        smolvm("machine", "create", "left", "--mem", "256")
        self.addCleanup(smolvm, "machine", "delete", "-f", "left")
        with self.assertLogs("smolvm", "WARNING") as logs, self.assertRaises(Mine):
            with SmolVM.from_id("left"):
                # The program is gone, so nothing can be done any more.
                child = child_of()
                os.kill(child.pid, signal.SIGKILL)
                until("the child's end", lambda: not child.is_alive)
                program, os.environ["SMOLVM_BIN"] = os.environ["SMOLVM_BIN"], "/no/such/place"
                self.addCleanup(os.environ.update, SMOLVM_BIN=program)
                raise Mine
        self.assertIn("leaving left", logs.output[0])

    def test_a_body_that_deletes_it_itself(self):
        with self.assertNoLogs("smolvm"), SmolVM(config(mem_size_mib=256)) as vm:
            vm.delete()

    def test_a_start_that_fails_leaves_nothing(self):
        with self.assertRaises(SmolVMError):
            with SmolVM(config(kernel_path=__file__)):
                self.fail("it cannot start")


if __name__ == "__main__":
    unittest.main()
