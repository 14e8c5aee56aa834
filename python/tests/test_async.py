"""The twins for asyncio, and many machines of one program."""

import asyncio
import inspect
import tempfile
import unittest
from pathlib import Path

from machines import LONG, MachineTest, config, names
from smolvm import ImageBuilder, OperationTimeoutError, SmolVM, SmolVMError, VMAlreadyExistsError, VMState

MANY = 10


#: They wait for nothing.
AT_ONCE = {"can_run_commands", "get_ip"}


class Twins(unittest.TestCase):
    def test_each_method_that_waits_has_one_with_the_same_arguments(self):
        for kind in (SmolVM, ImageBuilder):
            methods = {name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")}
            waiting = {name for name in methods - AT_ONCE if not name.startswith("async_")}
            self.assertEqual({f"async_{name}" for name in waiting}, methods - AT_ONCE - waiting - EXTRA)
            for name in waiting:
                twin = inspect.signature(getattr(kind, f"async_{name}"))
                here = inspect.signature(getattr(kind, name))
                if name != "from_id":
                    self.assertEqual(twin.parameters, here.parameters, name)


#: These are twins of `SmolVM(...)`.
EXTRA = {"async_create", "async_create_many"}


class Asynchronous(MachineTest, unittest.IsolatedAsyncioTestCase):
    async def test_one_machine(self):
        async with await SmolVM.async_create(config()) as vm:
            self.assertIs(vm.status, VMState.RUNNING)
            self.assertEqual((await vm.async_run("echo out")).output, "out")
            with self.assertRaises(OperationTimeoutError):
                await vm.async_run("sleep 1000", timeout=1)
            waiting = asyncio.create_task(vm.async_run("sleep 2000", timeout=None))
            while (await vm.async_run("ps | grep -c '[s]leep 2000'")).output != "1":
                await asyncio.sleep(0.05)
            waiting.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await waiting
            self.assertEqual((await vm.async_run("ps | grep -c '[s]leep [12]000'")).output, "0")
            await vm.async_write_file("/root/a/b", "text", make_dirs=True)
            self.assertEqual(await vm.async_read_file("/root/a/b"), b"text")
            self.assertEqual(await vm.async_set_env_vars({"COLOUR": "blue"}), ["COLOUR"])
            self.assertEqual(await vm.async_list_env_vars(), {"COLOUR": "blue"})
            self.assertEqual((await vm.async_run("echo $COLOUR")).output, "blue")
            self.assertEqual(await vm.async_unset_env_vars(["COLOUR"]), {"COLOUR": "blue"})
            with tempfile.TemporaryDirectory() as place:
                await vm.async_download_file("/root/a", f"{place}/a")
                self.assertEqual(Path(place, "a/b").read_text(), "text")
                await vm.async_upload_file(f"{place}/a", "/root/again")
            self.assertEqual((await vm.async_run("cat /root/again/b")).output, "text")
            port = await vm.async_expose_local(8000)
            self.assertIs(await vm.async_unexpose_local(port, 8000), vm)
            again = await SmolVM.async_from_id(vm.vm_id)
            self.assertIs((await again.async_stop()).status, VMState.STOPPED)
            self.assertIs((await vm.async_refresh()).status, VMState.STOPPED)
            with self.assertRaises(SmolVMError):
                await vm.async_run("true")
        self.assertNotIn(vm.vm_id, names())

    async def test_one_whose_entering_is_cancelled_leaves_nothing(self):
        vm = await SmolVM.async_create(config())
        entering = asyncio.ensure_future(vm.__aenter__())
        # A boot takes longer than the turns of the loop that begin it.
        await asyncio.sleep(0)
        for _ in range(5):
            entering.cancel()
            await asyncio.sleep(0)
        with self.assertRaises(asyncio.CancelledError):
            await entering
        self.assertNotIn(vm.vm_id, names())

    async def test_many_machines(self):
        vms = await SmolVM.async_create_many([config() for _ in range(MANY)], concurrency=4)
        try:
            said = await asyncio.gather(*(vm.async_run("hostname", timeout=LONG) for vm in vms))
            self.assertEqual([done.output for done in said], [vm.vm_id for vm in vms])
        finally:
            await asyncio.gather(*(vm.__aexit__(None, None, None) for vm in vms))

    async def test_many_that_are_cancelled_leave_nothing(self):
        before = names()
        making = asyncio.ensure_future(SmolVM.async_create_many([config() for _ in range(4)], concurrency=2))
        while names() == before:
            await asyncio.sleep(0.05)
        # Who is impatient cancels again.
        for _ in range(5):
            making.cancel()
            await asyncio.sleep(0)
        with self.assertRaises(asyncio.CancelledError):
            await making
        self.assertEqual(names(), before)

    async def test_many_of_which_one_fails(self):
        same = config()
        with self.assertRaises(VMAlreadyExistsError):
            await SmolVM.async_create_many([same, same])


if __name__ == "__main__":
    unittest.main()
