import { expect, test } from "bun:test";
import { vmmProfiles } from "../types.ts";
import { filterOf, nameOfCall } from "./index.ts";
import { profileOf } from "./profiles.ts";
import { names as arm64 } from "./syscalls-arm64.ts";
import { names as x64 } from "./syscalls-x64.ts";

const tables = { x64: x64.trim().split(/\s+/), arm64: arm64.trim().split(/\s+/) };

test("numbers are the kernel's", () => {
  // arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h
  expect(nameOfCall(59, "x64")).toBe("execve");
  expect(nameOfCall(435, "x64")).toBe("clone3");
  expect(nameOfCall(221, "arm64")).toBe("execve");
  expect(nameOfCall(435, "arm64")).toBe("clone3");
  expect(nameOfCall(9999, "x64")).toBe("system call 9999");
});

for (const profile of [...vmmProfiles, "files"] as const)
  for (const architecture of ["x64", "arm64"] as const)
    test(`${profile} on ${architecture}: each name is a system call, once, and the filter fits the kernel`, () => {
      const { allowed, refused } = profileOf(profile, architecture);
      const listed = allowed
        .filter((entry) => typeof entry === "string" || entry.orNext !== true)
        .map((entry) => (typeof entry === "string" ? entry : entry.name));
      const all = [...listed, ...Object.keys(refused)];
      expect(all.filter((name) => !tables.x64.includes(name))).toEqual([]);
      expect(new Set(all).size).toBe(all.length);
      for (const watched of [true, false])
        expect(filterOf(profile, architecture, watched).length / 8).toBeLessThan(4096);
    });

for (const profile of vmmProfiles)
  for (const architecture of ["x64", "arm64"] as const) {
    test(`${profile} on ${architecture}: what an attacker would like to call is not in it`, () => {
      const { allowed } = profileOf(profile, architecture);
      const bare = allowed.filter((entry) => typeof entry === "string");
      for (const name of [
        ...["execve", "execveat", "fork", "vfork", "clone", "clone3", "ptrace", "process_vm_readv", "kill"],
        ...["bind", "listen", "accept", "accept4", "connect", "mount", "umount2", "pivot_root", "chroot"],
        ...[
          "unlink",
          "unlinkat",
          "rename",
          "renameat2",
          "link",
          "linkat",
          "symlink",
          "mkdir",
          "chmod",
          "chown",
        ],
        ...[
          "init_module",
          "bpf",
          "perf_event_open",
          "keyctl",
          "setuid",
          "setns",
          "unshare",
          "io_uring_setup",
        ],
        ...["ioctl", "prctl", "sendto", "fcntl", "pidfd_open", "pidfd_getfd", "memfd_create", "userfaultfd"],
        ...["open", "openat", "tgkill", "prlimit64", "sched_setaffinity"],
      ])
        expect(bare).not.toContain(name);
    });
  }
