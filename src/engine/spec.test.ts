import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { SmolError } from "../errors.ts";
import { checkSpec } from "./spec.ts";
import type { VmSpec } from "./types.ts";

const directory = mkdtempSync(`${tmpdir()}/smolvm-spec-`);
afterAll(() => rmSync(directory, { recursive: true }));
const file = `${directory}/file`;
writeFileSync(file, "x");

const good: VmSpec = {
  cpus: 4,
  memoryMib: 8192,
  kernel: file,
  commandLine: [],
  disks: [{ path: file, readOnly: true }],
  shares: [{ tag: "folder", path: directory, readOnly: true }],
  agentSocket: "/run/agent.sock",
  agentPort: 6000,
  ephemeral: true,
};
const limits = { commandLineBytes: 100, devices: 3 };

/** The error of a spec that differs from a good one. */
function problem(change: Partial<VmSpec>, commandLine = "quiet"): string {
  try {
    checkSpec({ ...good, ...change }, commandLine, limits);
    return "none";
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    return `${error.code}: ${error.message.replaceAll(directory, "DIR")}`;
  }
}

test("a good spec passes", () => {
  expect(problem({})).toBe("none");
  expect(problem({ cpus: 1, memoryMib: 64, disks: [], shares: [] }, "x".repeat(100))).toBe("none");
});

test("numbers out of range", () => {
  expect(problem({ cpus: 0 })).toMatchInlineSnapshot(
    `"engine.bad_spec: virtual CPUs must be a whole number from 1 to 64, not 0"`,
  );
  for (const cpus of [65, 1.5, Number.NaN]) expect(problem({ cpus })).toStartWith("engine.bad_spec");
  for (const memoryMib of [63, 2 ** 21]) expect(problem({ memoryMib })).toStartWith("engine.bad_spec");
  expect(problem({ agentPort: 0 })).toStartWith("engine.bad_spec");
  expect(problem({ gpu: { vramMib: 0, renderNode: null } })).toStartWith("engine.bad_spec");
});

test("too many devices", () => {
  expect(problem({ disks: Array(3).fill(good.disks[0]) })).toMatchInlineSnapshot(
    `"engine.too_many_devices: the VM would have 4 disks and shared folders; this engine has room for 3"`,
  );
  const gpu = { vramMib: 1, renderNode: null };
  expect(problem({ gpu })).toBe("none");
  expect(problem({ gpu, disks: Array(2).fill(good.disks[0]) })).toBe(
    "engine.too_many_devices: the VM would have 4 disks and shared folders, its GPU counted; this engine has room for 3",
  );
});

test("kernel parameters that are too long, or no text", () => {
  expect(problem({}, "x".repeat(101))).toStartWith("engine.bad_spec");
  for (const bad of ["a\nb", "a\0b", "ä"]) expect(problem({}, bad)).toStartWith("engine.bad_spec");
});

test("a kernel parameter that would be several, or change others", () => {
  expect(problem({ commandLine: ["smolvm.hostname=a init=/bin/sh"] })).toBe(
    'engine.bad_spec: not one kernel parameter: "smolvm.hostname=a init=/bin/sh"',
  );
  for (const bad of ["", " ", "a\tb", "a\u00a0b", 'a="b', 'a="b c"']) {
    expect(problem({ commandLine: ["ro", bad] })).toStartWith("engine.bad_spec");
  }
  expect(problem({ commandLine: ["ro", "smolvm.agent=virtio:smolvm.agent", "init=/init"] })).toBe("none");
});

test("files that cannot be used", () => {
  symlinkSync("nowhere", `${directory}/dangling`);
  expect(problem({ kernel: `${directory}/none` })).toBe(
    "engine.file_unusable: cannot use kernel DIR/none: no such file",
  );
  expect(problem({ disks: [{ path: `${directory}/dangling`, readOnly: true }] })).toBe(
    "engine.file_unusable: cannot use disk DIR/dangling: no such file",
  );
  expect(problem({ disks: [{ path: directory, readOnly: true }] })).toBe(
    "engine.file_unusable: cannot use disk DIR: not a file",
  );
  expect(problem({ shares: [{ tag: "x", path: file, readOnly: true }] })).toBe(
    "engine.file_unusable: cannot use shared folder DIR/file: not a directory",
  );
});

test("names and paths that would mean something else to a VMM", () => {
  expect(problem({ kernel: "vmlinux" })).toBe("engine.bad_spec: not an absolute path: vmlinux");
  expect(problem({ shares: [{ tag: "a,b", path: directory, readOnly: true }] })).toStartWith(
    "engine.bad_spec",
  );
  expect(problem({ disks: [{ path: file, readOnly: false, format: "vmdk" }] })).toBe(
    "engine.bad_spec: not a disk to write to: DIR/file",
  );
  expect(problem({ agentSocket: `/${"x".repeat(107)}` })).toStartWith("engine.bad_spec");
});
