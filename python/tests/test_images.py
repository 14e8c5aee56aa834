"""Images that are built in a machine, and what their machines do: celesto-sdk.md, A13."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from machines import LONG, MachineTest, until
from smolvm import ImageBuilder, ImageError, SmolVM, ValidationError, VMConfig
from smolvm._client import Place
from smolvm.build import KERNEL, SSH_BOOT_ARGS, data_root

#: An archive of a system with sshd, so that nothing is fetched.
BASE = os.environ.get("TEST_SSH_IMAGE", "/none")
PASSWORD = "it's $ecret"


class Images(MachineTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(shutil.rmtree, data_root(Place()) / "python-images", ignore_errors=True)

    def ssh(self, port, command, password=None, key=None):
        """What a stock client prints, which gets the password as from a person's terminal."""
        with tempfile.TemporaryDirectory() as place:
            ask = Path(place, "ask")
            ask.write_text('#!/bin/sh\nprintf "%s\\n" "$SMOLVM_TEST_PASSWORD"\n')
            ask.chmod(0o700)
            environment = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
            options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=30"]
            if password is not None:
                environment["SMOLVM_TEST_PASSWORD"] = password
                options += ["PubkeyAuthentication=no", "NumberOfPasswordPrompts=1"]
            words = [word for option in options for word in ("-o", option)] + (["-i", key] if key else [])
            done = subprocess.run(
                ["ssh", "-F", "/dev/null", *words, "-p", str(port), "root@127.0.0.1", command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LONG,
                env=environment,
                start_new_session=True,
            )
            return done.stdout if done.returncode == 0 else f"{done.returncode}: {done.stderr}"

    def test_a13_ssh_by_password(self):
        builder = ImageBuilder(base_image=BASE)
        kernel, rootfs = builder.build_alpine_ssh(name="by-password", ssh_password=PASSWORD, rootfs_size_mb=1536)
        self.assertEqual(kernel, KERNEL)
        self.assertTrue(rootfs.is_file())
        # Built once.
        self.assertEqual(ImageBuilder(base_image="/no/such/place").build_alpine_ssh("by-password"), (kernel, rootfs))
        config = VMConfig(kernel_path=kernel, rootfs_path=rootfs, boot_args=SSH_BOOT_ARGS)
        with SmolVM(config) as vm:
            size = int(vm.run("df -m / | awk 'END {print $2}'", timeout=LONG).output)
            self.assertTrue(1536 <= size <= 2048, size)
            port = vm.expose_local(22)
            # sshd is another program: that it listens can only be seen.
            listens = "grep -q ':0016 .* 0A ' /proc/net/tcp /proc/net/tcp6"
            until("sshd", lambda: vm.run(listens, timeout=LONG).exit_code == 0)
            self.assertEqual(self.ssh(port, "uname -s", PASSWORD), "Linux\n")
            self.assertIn("Permission denied", self.ssh(port, "uname -s", "another"))

    def test_what_cannot_be_built(self):
        with tempfile.TemporaryDirectory() as place:
            Path(place, "file").write_text("no system")
            with self.assertRaises(ImageError):
                ImageBuilder(base_image=place + "/file").build_alpine_ssh(name="none")
        for arguments in ({"name": "../x"}, {"name": ""}, {"ssh_password": ""}, {"ssh_password": "a\nb"},
                          {"rootfs_size_mb": 63}, {"rootfs_size_mb": "512"}):
            with self.subTest(arguments), self.assertRaises(ValidationError):
                ImageBuilder(base_image=BASE).build_alpine_ssh(**{"name": "none", **arguments})


if __name__ == "__main__":
    unittest.main()
