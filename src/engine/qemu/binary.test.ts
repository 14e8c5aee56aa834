import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { parseVersion } from "../probe/qemu.ts";
import { findQemu, qemuName } from "./binary.ts";

const directory = mkdtempSync(`${tmpdir()}/smolvm-qemu-`);
afterAll(() => rmSync(directory, { recursive: true }));

test("finds the first executable in PATH, by absolute entries only", () => {
  for (const name of ["folder", "plain", "good", "later"]) mkdirSync(`${directory}/${name}`);
  mkdirSync(`${directory}/folder/${qemuName()}`);
  writeFileSync(`${directory}/plain/${qemuName()}`, "", { mode: 0o644 });
  for (const name of ["good", "later"])
    writeFileSync(`${directory}/${name}/${qemuName()}`, "", { mode: 0o755 });
  const path = ["", ".", "relative", "folder", "plain", "good", "later"];
  const PATH = path.map((name) => (name.length > 1 ? `${directory}/${name}` : name)).join(":");
  expect(findQemu({ PATH })?.path).toBe(`${directory}/good/${qemuName()}`);
  expect(findQemu({ PATH: `.:${directory}` })).toBeUndefined();
  expect(findQemu({})).toBeUndefined();
});

test("SMOLVM_QEMU is taken, or refused with a reason", () => {
  const own = `${directory}/own`;
  writeFileSync(own, "", { mode: 0o755 });
  expect(findQemu({ PATH: "/nowhere", SMOLVM_QEMU: own })?.path).toBe(own);
  chmodSync(own, 0o644);
  // Root may execute only what somebody may.
  for (const value of [own, "relative", "/nowhere/qemu"]) {
    expect(() => findQemu({ SMOLVM_QEMU: value })).toThrow(`SMOLVM_QEMU is not an executable file: ${value}`);
  }
});

test("the stamp changes with the file", () => {
  const path = `${directory}/stamp`;
  writeFileSync(path, "", { mode: 0o755 });
  const before = findQemu({ SMOLVM_QEMU: path })?.stamp;
  writeFileSync(path, "longer");
  expect(findQemu({ SMOLVM_QEMU: path })?.stamp).not.toBe(before);
});

test("reads versions", () => {
  expect(parseVersion("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright")).toEqual([
    7, 2, 22,
  ]);
  expect(parseVersion("QEMU emulator version 10.0 (x)")).toEqual([10, 0, 0]);
  expect(parseVersion("GNU bash, version x")).toBeUndefined();
});
