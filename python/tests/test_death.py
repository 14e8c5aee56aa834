"""Whatever is killed: machines of a dead owner end, nothing is left, and nobody waits for ever."""

import os
import signal
import subprocess
import sys
import threading
import time
import unittest
import warnings

from machines import LONG, MachineTest, child_of, config, names, until
from smolvm import HostError, SmolVM, SmolVMError, VMNotFoundError, _client

OWNER = """
import sys, smolvm
from machines import LONG, config, child_of
vm = smolvm.SmolVM(config(vm_id=sys.argv[1])).start(boot_timeout=LONG)
made = smolvm.SmolVM(config(vm_id=sys.argv[1] + "-new"))
print(child_of().pid, vm.info.pid, flush=True)
vm.run(sys.argv[2], timeout=None)
"""


def start(name, command):
    """A program that owns a machine that runs and one that does not: it, its child's pid, the machine's."""
    owner = subprocess.Popen(
        [sys.executable, "-B", "-c", OWNER, name, command],
        stdout=subprocess.PIPE,
        # An interrupted program says so.
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=os.path.dirname(__file__),
    )
    child, machine = map(int, owner.stdout.readline().split())
    owner.stdout.close()
    return owner, child, machine


def is_there(pid):
    """Whether it runs: one that nobody has waited for yet has ended."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Deaths(MachineTest):
    def expect_gone(self, name, *pids):
        until("the machine's end", lambda: name not in names() and not any(map(is_there, pids)))

    def test_kill_of_the_program_that_owns_them(self):
        owner, child, machine = start("orphan", "sleep 1000")
        owner.kill()
        owner.wait()
        self.expect_gone("orphan", child, machine)
        until("the end of the one that was only made", lambda: "orphan-new" not in names())

    def test_an_orderly_end_leaves_nothing(self):
        owner, child, machine = start("left", "true")
        self.assertEqual(owner.wait(LONG), 0)
        self.assertFalse(is_there(child))
        self.assertEqual(set(names()) & {"left", "left-new"}, set())
        self.assertFalse(is_there(machine))

    def test_interrupt(self):
        owner, child, machine = start("interrupted", "sleep 1000")
        owner.send_signal(signal.SIGINT)
        self.assertEqual(owner.wait(LONG), -signal.SIGINT)
        self.assertFalse(is_there(child))
        self.expect_gone("interrupted", machine)

    def test_kill_of_the_child(self):
        vm = SmolVM(config()).start(boot_timeout=LONG)
        machine, child = vm.info.pid, child_of()
        errors = []

        def wait():
            try:
                vm.run("sleep 1000", timeout=None)
            except SmolVMError as error:
                errors.append(error)

        waiting = [threading.Thread(target=wait) for _ in range(3)]
        for thread in waiting:
            thread.start()
        until("the commands", lambda: vm.run("ps | grep -c '[s]leep 1000'", timeout=LONG).output == "3")
        os.kill(child.pid, signal.SIGKILL)
        for thread in waiting:
            thread.join(LONG)
        self.assertEqual([type(error) for error in errors], [HostError] * 3)
        self.assertEqual({error.details["code"] for error in errors}, {"sdk.child_failed"})
        self.expect_gone(vm.vm_id, machine)
        # A process that is forked now has nothing of the dead child's.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            forked = os.fork()
        if forked == 0:
            os._exit(len(_client._children))
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]), 0)
        # The next call starts another child, which knows that the machine is not there any more.
        with self.assertRaises(VMNotFoundError):
            vm.refresh()

    def test_kill_of_the_machine(self):
        vm = SmolVM(config()).start(boot_timeout=LONG)
        errors = []

        def wait():
            try:
                vm.run("sleep 1000", timeout=None)
            except SmolVMError as error:
                errors.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        until("the command", lambda: vm.run("ps | grep -c '[s]leep 1000'", timeout=LONG).output == "1")
        os.kill(vm.info.pid, signal.SIGKILL)
        thread.join(LONG)
        self.assertEqual([error.details["code"] for error in errors], ["machine.lost"])
        vm.delete()
        vm.close()

    def test_programs_that_are_none(self):
        cases = {
            "/no/such/place": "sdk.no_program",
            "/bin/true": "sdk.child_failed",
            "/bin/echo": "sdk.child_failed",
        }
        for program, code in cases.items():
            script = "import smolvm\ntry: smolvm.SmolVM()\nexcept smolvm.HostError as e: print(e.details['code'])"
            done = subprocess.run(
                [sys.executable, "-c", script],
                env={**os.environ, "SMOLVM_BIN": program},
                capture_output=True,
                text=True,
                timeout=LONG,
            )
            self.assertEqual((done.stdout, done.stderr), (f"{code}\n", ""), program)

    def test_importing_starts_nothing(self):
        script = "import threading, smolvm; print(threading.active_count())"
        begun = time.monotonic()
        env = {"PYTHONPATH": os.environ["PYTHONPATH"], "PATH": "/none"}
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "1\n", time.monotonic() - begun)


if __name__ == "__main__":
    unittest.main()
