import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { VmSpec } from "../../types.ts";
import { shapeOf } from "./shape.ts";

const PLATFORM = "linux-x64";
const program = { program: "/usr/bin/qemu", stamp: "1:2", machine: ["-M", "x"], commandLine: "quiet" };
let directory: string;
let spec: VmSpec;
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-shape-`);
  for (const name of ["kernel", "system"]) writeFileSync(`${directory}/${name}`, name);
  spec = {
    ...{ cpus: 2, memoryMib: 8192, kernel: `${directory}/kernel`, commandLine: ["root=/dev/vdb", "ro"] },
    disks: [
      { path: "/machine/storage", readOnly: false },
      { path: `${directory}/system`, readOnly: true },
      { path: "/image", readOnly: true, format: "vmdk" },
    ],
    ...{ shares: [], agentSocket: "/a", agentPort: 6000, ephemeral: true },
  };
});
afterAll(() => rmSync(directory, { recursive: true }));

test("machines with other disks, sockets and addresses have the same one", () => {
  const shape = shapeOf(spec, program, PLATFORM);
  expect(shape).toBeString();
  const [storage, system] = spec.disks.map((disk) => ({
    ...disk,
    path: disk.path.replace("machine", "other"),
  }));
  if (storage === undefined || system === undefined) throw new Error("there are three");
  const disks = [storage, system, { path: "/other", readOnly: true }];
  expect(shapeOf({ ...spec, disks, agentSocket: "/b", ephemeral: false }, program, PLATFORM)).toBe(shape);
  const card = (mac: string) => ({ ...spec, card: { socket: `/${mac}`, mac } });
  expect(shapeOf(card("a"), program, PLATFORM)).toBe(shapeOf(card("b"), program, PLATFORM));
});

test("what a guest sees makes it another one", () => {
  const shapes = [
    shapeOf(spec, program, PLATFORM),
    shapeOf({ ...spec, cpus: 1 }, program, PLATFORM),
    shapeOf({ ...spec, memoryMib: 512 }, program, PLATFORM),
    shapeOf({ ...spec, card: { socket: "/n", mac: "m" } }, program, PLATFORM),
    shapeOf({ ...spec, disks: [...spec.disks, { path: "/more", readOnly: true }] }, program, PLATFORM),
    shapeOf({ ...spec, disks: spec.disks.map((disk) => ({ ...disk, readOnly: true })) }, program, PLATFORM),
    shapeOf(spec, { ...program, program: "/opt/qemu" }, PLATFORM),
    shapeOf(spec, { ...program, stamp: "1:3" }, PLATFORM),
    shapeOf(spec, { ...program, machine: ["-M", "y"] }, PLATFORM),
    shapeOf(spec, { ...program, commandLine: "quiet mitigations=auto" }, PLATFORM),
  ];
  for (const name of ["kernel", "system"]) {
    utimesSync(`${directory}/${name}`, 1, 1);
    shapes.push(shapeOf(spec, program, PLATFORM));
  }
  expect(new Set(shapes).size).toBe(12);
});

test("some have none", () => {
  expect(shapeOf(spec, program, "linux-arm64")).toBeUndefined();
  const gpu = { vramMib: 64, renderNode: null };
  expect(shapeOf({ ...spec, gpu }, program, PLATFORM)).toBeUndefined();
  expect(shapeOf({ ...spec, memoryMib: 16385 }, program, PLATFORM)).toBeUndefined();
  expect(shapeOf({ ...spec, commandLine: ["root=/dev/vdz"] }, program, PLATFORM)).toBeUndefined();
  expect(shapeOf({ ...spec, commandLine: [] }, program, PLATFORM)).toBeUndefined();
});
