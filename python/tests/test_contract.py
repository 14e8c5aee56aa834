"""The rules that programs written for this API count on: celesto-sdk.md, A1 to A15."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings
from pathlib import Path

from machines import LONG, STUBBORN, MachineTest, config, names, smolvm, until
from smolvm import (
    CommandExecutionUnavailableError,
    ImageError,
    NetworkError,
    OperationTimeoutError,
    SmolVM,
    SmolVMError,
    ValidationError,
    VMAlreadyExistsError,
    VMNotFoundError,
    VMState,
    _client,
)


class OneMachine(MachineTest):
    """What can be seen of one machine that runs."""

    @classmethod
    def setUpClass(cls):
        cls.vm = SmolVM(mem_size_mib=1024, disk_size_mib=1024)
        cls.addClassCleanup(cls.vm.close)
        cls.addClassCleanup(cls.vm.delete)
        cls.vm.start(boot_timeout=LONG)

    def test_a1_id_address_and_linux(self):
        self.assertRegex(self.vm.vm_id, r"\Avm-[0-9a-f]{8}\Z")
        self.assertRegex(self.vm.get_ip(), r"\A\d+\.\d+\.\d+\.\d+\Z")
        self.assertIn(self.vm.get_ip(), self.vm.run("ip -4 addr show eth0").stdout)
        self.assertTrue(self.vm.run("uname -a").stdout.startswith("Linux "))

    def test_a2_memory_and_disk(self):
        total = int(self.vm.run("free -m | awk '/^Mem/ {print $2}'").output)
        self.assertTrue(900 <= total <= 1024, total)
        size = int(self.vm.run("df -m / | awk 'END {print $2}'").output)
        self.assertTrue(900 <= size <= 1024, size)

    def test_a11_a_command_that_takes_too_long(self):
        for caught in (OperationTimeoutError, SmolVMError):
            with self.assertRaises(caught) as raised:
                self.vm.run("touch /tmp/begun; exec sleep 7777", timeout=1)
            error = raised.exception
            self.assertIn("sleep 7777", error.message)
            self.assertEqual((error.timeout_seconds, error.operation[:7]), (1, "command"))
        # It was killed, and the machine is as it was.
        self.assertEqual(self.vm.run("ls /tmp/begun; ps | grep -c '[s]leep 7777'").stdout, "/tmp/begun\n0\n")

    def test_a12_a_command_that_fails(self):
        done = self.vm.run("echo out; echo err >&2; exit 3")
        self.assertEqual((done.ok, done.exit_code, done.stdout, done.stderr), (False, 3, "out\n", "err\n"))
        self.assertEqual(self.vm.run("kill -9 $$").exit_code, 137)
        self.assertEqual(self.vm.run("printf 'a\\377b'").stdout, "a\N{REPLACEMENT CHARACTER}b")

    def test_arguments_of_run(self):
        for command, options in (("", {}), (" ", {}), ("ls", {"timeout": 0.5}), ("ls", {"shell": "x"})):
            with self.assertRaises(ValueError):
                self.vm.run(command, **options)
        self.assertEqual(self.vm.run("echo $0", shell="raw").output, "/bin/sh")
        self.assertEqual(self.vm.run("pwd", timeout=None).output, "/root")

    def test_what_is_known(self):
        info = self.vm.info
        self.assertEqual((info.vm_id, info.status, info.mem_size_mib), (self.vm.vm_id, VMState.RUNNING, 1024))
        self.assertIsInstance(info.pid, int)
        self.assertTrue(info.control_socket_path.exists())
        self.assertTrue(Path(self.vm.data_dir, "machines", self.vm.vm_id).is_dir())
        self.assertIn(self.vm.vm_id, names())

    def test_variables_of_a_running_machine(self):
        hostile = "it's $HOME\n`id` \\ \""
        self.assertEqual(self.vm.set_env_vars({"ONE": hostile, "TWO": "2"}), ["ONE", "TWO"])
        self.assertEqual(self.vm.run('printf %s "$ONE"').stdout, hostile)
        self.assertEqual(self.vm.run("sh -lc 'echo $TWO'", shell="raw").output, "2")
        self.assertEqual(self.vm.unset_env_vars(["ONE", "NEVER"]), {"ONE": hostile})
        self.assertEqual(self.vm.set_env_vars({"THREE": "3"}, merge=False), ["THREE"])
        self.assertEqual(self.vm.list_env_vars(), {"THREE": "3"})
        with self.assertRaises(ValidationError):
            self.vm.set_env_vars({"1": ""})

    def test_ports(self):
        port = self.vm.expose_local(7)
        try:
            forwards = self.vm.info.network.port_forwards
            self.assertEqual([(f.guest_port, f.host_port, f.host_address) for f in forwards], [(7, port, "127.0.0.1")])
            with self.assertRaises(NetworkError):
                self.vm.expose_local(8, port)
        finally:
            self.vm.unexpose_local(port, 7)
        self.assertEqual(self.vm.info.network.port_forwards, ())

    def test_files(self):
        content = os.urandom(1_000_001)
        self.vm.write_file("/srv/deep/file", content, make_dirs=True)
        self.assertEqual(self.vm.read_file("/srv/deep/file"), content)
        with tempfile.TemporaryDirectory() as place:
            target = Path(place, "file")
            self.vm.download_file("/srv/deep/file", target)
            self.assertEqual(target.read_bytes(), content)
            self.vm.upload_file(target, "/srv/again")
            self.assertEqual(self.vm.run("cmp /srv/again /srv/deep/file").exit_code, 0)
            with self.assertCode("copy.limit"):
                self.vm.download_file("/srv/again", Path(place, "none"), max_bytes=1000)
            self.assertFalse(Path(place, "none").exists())
        with self.assertCode("copy.not_found"):
            self.vm.read_file("/none")

    def test_long_output_and_large_input(self):
        self.assertEqual(len(self.vm.run("head -c 5000000 /dev/zero | tr '\\0' x", timeout=LONG).stdout), 5_000_000)

    def test_threads(self):
        results = {}

        def work(number):
            results[number] = self.vm.run(f"echo {number}", timeout=LONG).output

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, {number: str(number) for number in range(16)})

    def test_one_of_that_name_is_there(self):
        with self.assertRaises(VMAlreadyExistsError):
            SmolVM(config(vm_id=self.vm.vm_id))

    def test_a_forked_process_has_a_child_of_its_own(self):
        reader, writer = os.pipe()
        # Newer Pythons warn of it, since this process has threads; that it works is the test.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            said = b"failed"
            try:
                said = SmolVM.from_id(self.vm.vm_id).run("echo forked", timeout=LONG).output.encode()
            finally:
                os.write(writer, said)
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            self.assertEqual(pipe.read(), "forked")
        os.waitpid(pid, 0)
        self.assertEqual(self.vm.run("echo here").output, "here")

#: Whether there is a process that ignores SIGTERM: bit 14 of SigIgn (proc_pid_status(5)). For a shell and nothing else.
IGNORES_TERM = """
for status in /proc/[0-9]*/status; do
  while read -r key value; do
    case $key$value in SigIgn:*[4567cdef]???) exit 0 ;; esac
  done <$status
done
exit 1"""


class Lives(MachineTest):
    """Machines from their making to their end."""

    def test_a3_a4_a8_steps(self):
        vm = SmolVM(config(env_vars={"COLOUR": "dark red"}))
        try:
            self.assertIs(vm.status, VMState.CREATED)
            self.assertIs(vm.stop(), vm)
            self.assertIs(vm.start(boot_timeout=LONG), vm)
            self.assertIs(vm.start(), vm)
            self.assertIs(vm.status, VMState.RUNNING)
            self.assertEqual(vm.run("echo $COLOUR").output, "dark red")
            self.assertIs(vm.stop(), vm)
            self.assertIs(vm.status, VMState.STOPPED)
            with self.assertCode("machine.not_running"):
                vm.run("true")
        finally:
            vm.delete()
        vm.delete()
        with self.assertRaises(VMNotFoundError):
            vm.refresh()
        with self.assertRaises(VMNotFoundError) as raised:
            SmolVM.from_id(vm.vm_id)
        self.assertEqual(raised.exception.vm_id, vm.vm_id)
        self.assertFalse(Path(vm.data_dir, "machines", vm.vm_id).exists())
        vm.close()

    def test_a5_a_disk_that_is_kept(self):
        vm = SmolVM(config(retain_disk_on_delete=True)).start(boot_timeout=LONG)
        vm.run("echo kept >/file; sync")
        kept = Path(vm.data_dir, "retained-disks")
        self.addCleanup(shutil.rmtree, kept)
        disk = kept / vm.vm_id / "overlay.ext4"
        vm.delete()
        vm.close()
        self.assertFalse(Path(vm.data_dir, "machines", vm.vm_id).exists())
        said = subprocess.run(["/sbin/debugfs", "-R", "ls -l /", disk], capture_output=True, text=True, check=True)
        self.assertIn("lost+found", said.stdout)

    def test_a6_a_guest_that_does_not_want_to_end(self):
        vm = SmolVM(config(rootfs_path=STUBBORN)).start(boot_timeout=LONG)
        until("its trap", lambda: vm.run(IGNORES_TERM, timeout=LONG, shell="raw").ok)
        begun = time.monotonic()
        vm.stop()
        took = time.monotonic() - begun
        self.assertIs(vm.status, VMState.STOPPED)
        # Three seconds of patience, and then it is killed: what is above is the load of this host.
        self.assertTrue(3 <= took < 3 + LONG / 4, took)
        vm.delete()
        vm.close()

    def test_a7_a_boot_that_is_not_ready_in_time(self):
        vm = SmolVM(config())
        with self.assertRaises(OperationTimeoutError) as raised:
            vm.start(boot_timeout=0.01)
        self.assertEqual((raised.exception.operation, raised.exception.timeout_seconds), ("start", 0.01))
        self.assertIsNot(vm.refresh().status, VMState.RUNNING)
        self.assertIsNone(vm.info.pid)
        vm.delete()
        vm.close()

    def test_a10_another_process_stops_it(self):
        vm = SmolVM(config()).start(boot_timeout=LONG)
        script = "import sys, smolvm; smolvm.SmolVM.from_id(sys.argv[1]).stop()"
        subprocess.run([sys.executable, "-c", script, vm.vm_id], check=True, timeout=LONG)
        self.assertIs(vm.status, VMState.RUNNING)
        self.assertIs(vm.refresh(), vm)
        self.assertIs(vm.status, VMState.STOPPED)
        vm.delete()
        vm.close()

    def test_a14_another_kernel(self):
        with tempfile.NamedTemporaryFile() as kernel:
            vm = SmolVM(config(kernel_path=kernel.name))
            self.assertFalse(vm.can_run_commands())
            self.assertFalse(SmolVM.from_id(vm.vm_id).can_run_commands())
            with self.assertRaises(ImageError) as refused:
                vm.start()
            self.assertIn(kernel.name, refused.exception.message)
            with self.assertRaises(CommandExecutionUnavailableError) as raised:
                vm.run("true")
            self.assertEqual(raised.exception.vm_id, vm.vm_id)
            self.assertIn(kernel.name, raised.exception.reason)
            self.assertTrue(raised.exception.remediation)
            vm.delete()
            vm.close()

    def test_a15_close(self):
        vm = SmolVM(config()).start(boot_timeout=LONG)
        vm.close()
        vm.close()
        with self.assertRaisesRegex(SmolVMError, "closed"):
            vm.run("true")
        # It is nobody's now, and stays when the child ends.
        _client.close_all()
        self.assertEqual(smolvm("machine", "exec", "--name", vm.vm_id, "--", "echo", "still"), "still\n")
        again = SmolVM.from_id(vm.vm_id)
        self.assertIs(again.status, VMState.RUNNING)
        again.delete()
        again.close()

    def test_without_a_network(self):
        smolvm("machine", "create", "offline", "--mem", "256")
        vm = SmolVM.from_id("offline")
        try:
            with self.assertRaises(NetworkError):
                vm.get_ip()
        finally:
            vm.delete()
            vm.close()

    def test_places_are_apart(self):
        with tempfile.TemporaryDirectory(dir="/tmp") as place:
            vm = SmolVM(config(), data_dir=place, socket_dir=place, backend="qemu")
            self.assertEqual(vm.data_dir, Path(place))
            self.assertNotIn(vm.vm_id, names())
            vm.delete()
            vm.close()


if __name__ == "__main__":
    unittest.main()
