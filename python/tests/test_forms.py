"""Programs in the forms that this API's users write, line by line."""

import unittest

from machines import MachineTest


class Forms(MachineTest):
    def test_the_shortest(self):
        from smolvm import SmolVM

        with SmolVM() as vm:
            print(vm.vm_id, vm.get_ip())
            result = vm.run("echo 'Hello from the sandbox!'")
            self.assertEqual(result.stdout.strip(), "Hello from the sandbox!")
            self.assertEqual(result.output, "Hello from the sandbox!")
            self.assertTrue(result.ok)
            self.assertTrue(vm.can_run_commands())

    def test_every_step_by_hand(self):
        from smolvm import SmolVM, VMConfig
        from smolvm.build import KERNEL, ROOTFS, SSH_BOOT_ARGS
        from smolvm.exceptions import OperationTimeoutError, SmolVMError

        config = VMConfig(
            vm_id="my-vm",
            vcpu_count=2,
            mem_size_mib=1024,
            kernel_path=KERNEL,
            rootfs_path=ROOTFS,
            boot_args=SSH_BOOT_ARGS,
            env_vars={"MODE": "test"},
        )
        vm = SmolVM(config)
        try:
            vm.start(boot_timeout=30.0)
            try:
                result = vm.run("echo $MODE; exit 4", timeout=10)
                if not result.ok:
                    self.assertEqual((result.stdout, result.stderr), ("test\n", ""))
                vm.run("sleep 60", timeout=1)
                self.fail("it took sixty seconds")
            except OperationTimeoutError as error:
                self.assertIn("sleep 60", error.message)
            except SmolVMError as error:
                self.fail(error)
            again = SmolVM.from_id("my-vm")
            self.assertEqual(again.info.vm_id, vm.info.vm_id)
            again.close()
            vm.stop(timeout=3.0)
        finally:
            vm.delete()
            vm.close()

    def test_imports(self):
        from smolvm import ImageBuilder, SmolVM, VMConfig
        from smolvm.build import SSH_BOOT_ARGS
        from smolvm.exceptions import OperationTimeoutError, SmolVMError

        self.assertTrue(issubclass(OperationTimeoutError, SmolVMError))
        self.assertTrue(SSH_BOOT_ARGS.endswith("init=/init"))
        self.assertTrue(all(callable(each) for each in (ImageBuilder, SmolVM, VMConfig)))


if __name__ == "__main__":
    unittest.main()
