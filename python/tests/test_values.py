"""What is checked before anything is asked of the program, and what is made of its answers."""

import dataclasses
import io
import json
import os
import pickle
import random
import struct
import tempfile
import unittest
from pathlib import Path

import smolvm
from smolvm import (
    SSH_BOOT_ARGS,
    FirecrackerAPIError,
    SmolVM,
    SnapshotAlreadyExistsError,
    SnapshotNotFoundError,
    ValidationError,
    VMConfig,
    VMState,
    _frames,
    _variables,
)
from smolvm.boot import KERNEL, ROOTFS, why_unbootable
from smolvm.exceptions import NetworkError, SmolVMError, VMAlreadyExistsError, VMNotFoundError, from_failure
from smolvm.models import CommandResult


def config(**more):
    return VMConfig(**{"kernel_path": KERNEL, "rootfs_path": ROOTFS, **more})


class Configs(unittest.TestCase):
    def test_defaults(self):
        made = config()
        self.assertRegex(made.vm_id, r"\Avm-[0-9a-f]{8}\Z")
        self.assertNotEqual(made.vm_id, config().vm_id)
        self.assertEqual((made.vcpu_count, made.mem_size_mib, made.retain_disk_on_delete), (2, 512, False))
        self.assertEqual((made.env_vars, made.port_forwards), ({}, ()))

    def test_is_frozen(self):
        made = config(env_vars={"A": "1"})
        with self.assertRaises(dataclasses.FrozenInstanceError):
            made.vcpu_count = 3
        with self.assertRaises(TypeError):
            made.env_vars["A"] = "2"
        with self.assertRaises(TypeError):
            made.env_vars.update(B="2")

    def test_is_copied_by_pickle_and_by_dataclasses(self):
        made = config(env_vars={"A": "1"})
        copy = pickle.loads(pickle.dumps(made))
        self.assertEqual((copy, dataclasses.asdict(made)["env_vars"]), (made, {"A": "1"}))
        with self.assertRaises(TypeError):
            copy.env_vars["A"] = "2"

    def test_wrong_values_are_refused_when_it_is_made(self):
        wrong = [
            *({"vm_id": name} for name in ("", "A", "-a", "a-", "a_", "a--b", "a b", "ä", "a\n", "x" * 65, 7)),
            *({"vcpu_count": count} for count in (0, 33, 1.0, "2", True)),
            *({"mem_size_mib": size} for size in (127, 16_385, "512")),
            {"kernel_path": "/no/such/place"},
            {"rootfs_path": "/no/such/place"},
            {"rootfs_path": 3},
            {"boot_args": 3},
            {"env_vars": {"1A": "x"}},
            {"env_vars": {"A": 1}},
            {"env_vars": {"A": "\0"}},
            {"port_forwards": [{"host_port": 1}]},
            {"port_forwards": [{"guest_port": 0}]},
            {"port_forwards": [{"guest_port": 1, "host_port": 65_536}]},
            {"retain_disk_on_delete": 1},
            {"backend": "firecracker"},
            {"initrd_path": "/boot/initrd"},
            {"extra_drives": ["/x.img"]},
            {"disk_mode": "shared"},
            {"network_rate_limit_mbps": 100},
            {"ssh_capable": 1},
        ]
        for fields in wrong:
            with self.subTest(fields), self.assertRaises(ValidationError) as raised:
                config(**fields)
            self.assertIsInstance(raised.exception, (ValueError, SmolVMError))
        with self.assertRaises(TypeError):
            config(unknown=1)

    def test_fields_that_have_one_value_take_it(self):
        one = {"initrd_path": None, "extra_drives": [], "disk_mode": "isolated", "network_rate_limit_mbps": None}
        self.assertTrue(config(**one, ssh_capable=True).ssh_capable)

    def test_exceptions_that_nothing_raises_can_be_caught(self):
        for kind in (SnapshotNotFoundError, SnapshotAlreadyExistsError):
            self.assertEqual(kind("words").message, "words")
        self.assertEqual(FirecrackerAPIError("words", 404).status_code, 404)
        self.assertIsInstance(FirecrackerAPIError("words"), SmolVMError)

    def test_arguments_that_exclude_each_other(self):
        for arguments in ({"config": config(), "vm_id": "a"}, {"vm_id": "a", "mem_size_mib": 512},
                          {"config": config(), "disk_size_mib": 512}, {"disk_size_mib": 63}, {"ssh_user": ""},
                          {"os": "windows"}, {"os": "alpine", "config": config()}):
            with self.subTest(arguments), self.assertRaises(ValueError):
                SmolVM(**arguments)

    def test_what_cannot_be_booted(self):
        self.assertIsNone(why_unbootable(KERNEL, ROOTFS, SSH_BOOT_ARGS))
        with tempfile.TemporaryDirectory() as place:
            other = Path(place, "file")
            other.write_bytes(b"\0" * 1080 + b"\x53\xef" + b"\0" * 100)
            self.assertIn("kernel", why_unbootable(other, ROOTFS, SSH_BOOT_ARGS))
            self.assertIn("disk", why_unbootable(KERNEL, other, SSH_BOOT_ARGS))
        self.assertIn("init=/x", why_unbootable(KERNEL, ROOTFS, "init=/x"))


class Answers(unittest.TestCase):
    def test_results(self):
        done = CommandResult(0, "\n a b \n", "warning")
        self.assertEqual((done.ok, done.output, done.stderr), (True, "a b", "warning"))
        self.assertFalse(CommandResult(3, "", "").ok)

    def test_states(self):
        known = {"created": "created", "starting": "created", "running": "running", "stopping": "running",
                 "stopped": "stopped", "failed": "error", "unreachable": "error", "a new one": "error"}
        self.assertEqual({word: VMState.of(word).value for word in known}, known)

    def test_failures_become_exceptions(self):
        cases = [("machine.not_found", VMNotFoundError), ("machine.exists", VMAlreadyExistsError),
                 ("port.in_use", NetworkError), ("sdk.bad_request", ValidationError), ("other", SmolVMError)]
        for code, kind in cases:
            error = from_failure({"code": code, "message": "m", "hint": "h"}, "name")
            self.assertIs(type(error), kind)
            self.assertEqual(error.details, {"code": code, "hint": "h"})
            self.assertIn("h", str(error))
        self.assertEqual(from_failure({}, None).details, {"code": "internal"})

    def test_variables_survive_their_file(self):
        variables = {"A": "it's $x\nnew `line`", "B": "", "C": "ä=\"b\" # no comment", "export": "export"}
        self.assertEqual(_variables.parse(_variables.text_of(variables)), variables)
        for foreign in ("'", "exit 1"):
            with self.assertRaises(SmolVMError):
                _variables.parse(foreign)


class Frames(unittest.TestCase):
    def read(self, data):
        return _frames.read(io.BytesIO(data))

    def test_what_is_written_is_read(self):
        frame = self.read(_frames.encode(_frames.DATA, 7, b"abc", 2))
        self.assertEqual((frame.type, frame.stream, frame.channel, frame.payload), (_frames.DATA, 7, 2, b"abc"))
        self.assertIsNone(self.read(b""))

    def test_headers_that_break_the_rules(self):
        header = struct.Struct(">BBHII").pack
        for data in (header(0, 0, 0, 0, 0), header(12, 0, 0, 0, 0), header(4, 4, 0, 1, 0), header(4, 0, 1, 1, 0),
                     header(4, 0, 0, 1, 65_537), header(5, 0, 0, 1, 1), header(2, 0, 0, 1, 2**32 - 1),
                     header(4, 0, 0, 1, 5) + b"abc", b"\x04"):
            with self.subTest(data), self.assertRaises(_frames.ProtocolError):
                self.read(data)

    def test_any_bytes_are_read_or_refused(self):
        seed = int(os.environ.get("SMOLVM_TEST_SEED") or random.randrange(2**32))
        print(f"seed of the fuzzed frames: {seed}")
        numbers = random.Random(seed)
        for _ in range(3000):
            try:
                self.read(numbers.randbytes(numbers.randrange(64)))
                _frames.decode_json(numbers.randbytes(numbers.randrange(16)))
            except _frames.ProtocolError:
                pass
        with self.assertRaises(_frames.ProtocolError):
            _frames.decode_json(b"[" * 60_000)

    def test_bytes_that_are_not_text_stay_what_they_are(self):
        said = b"a\xff".decode(errors="surrogateescape")
        self.assertEqual(json.loads(_frames.encode_json(said)), said)


class Papers(unittest.TestCase):
    def test_versions_agree(self):
        package = json.loads(Path(__file__).parents[2].joinpath("package.json").read_text())
        project = Path(__file__).parents[1].joinpath("pyproject.toml").read_text()
        self.assertEqual(smolvm.__version__, package["version"])
        self.assertIn(f'version = "{package["version"]}"', project)

    def test_all_that_is_public_says_what_it_is(self):
        for name in smolvm.__all__:
            if name.isupper() or name.startswith("SSH_"):
                continue
            public = getattr(smolvm, name)
            self.assertTrue(public.__doc__, name)
            for member, value in vars(public).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    self.assertTrue(getattr(value, "__doc__", None), f"{name}.{member}")


if __name__ == "__main__":
    unittest.main()
