import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Paths } from "../../config/paths.ts";
import type { ContainerRecord } from "../model/index.ts";
import { copyContainers, readContainers, removeContainer, writeContainer } from "./index.ts";

let directory: string;
let paths: Paths;
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-containers-`);
  paths = { data: directory, cache: directory, config: directory, runtime: directory };
});
afterEach(() => rmSync(directory, { recursive: true }));

const record = (id: string, createdAt: number): ContainerRecord => ({
  ...{ version: 1, id, createdAt, reference: "x", imageBytes: 1, argv: ["a"], env: [], workdir: null },
  image: {
    ...{ id: `sha256:${"0".repeat(64)}`, workdir: "", user: "" },
    ...{ entrypoint: [], cmd: [], env: [], volumes: [] },
  },
  ...{ binds: [], state: "running", startedAt: 5, end: null },
});
const one = record("00000000000a", 2);
const two = record("00000000000b", 1);
const folder = () => `${directory}/machines/box/containers`;

test("records are written, read from the oldest, replaced and removed", () => {
  expect(readContainers(paths, "box")).toEqual([]);
  writeContainer(paths, "box", one);
  writeContainer(paths, "box", two);
  expect(readContainers(paths, "box")).toEqual([two, one]);
  writeContainer(paths, "box", { ...two, state: "created" });
  removeContainer(paths, "box", one.id);
  removeContainer(paths, "box", one.id);
  expect(readContainers(paths, "box")).toEqual([{ ...two, state: "created" }]);
  expect(readdirSync(folder())).toEqual([`${two.id}.json`]);
});

test("what cannot be read hides no other, and stays", () => {
  writeContainer(paths, "box", one);
  for (const name of ["00000000000c.json", "00000000000d.json.new", "x.json"])
    writeFileSync(`${folder()}/${name}`, "{");
  expect(readContainers(paths, "box")).toEqual([one]);
  expect(readdirSync(folder()).length).toBe(4);
});

test("in a copy of a machine none of them runs", () => {
  writeContainer(paths, "box", one);
  const end = { exitCode: null, signal: null, outOfMemory: false, at: 7 };
  writeContainer(paths, "copy", two);
  rmSync(`${directory}/machines/copy/containers`, { recursive: true });
  copyContainers(paths, "box", `${directory}/machines/copy`, 7);
  expect(readContainers(paths, "copy")).toEqual([{ ...one, state: "exited", end }]);
  expect(readContainers(paths, "box")).toEqual([one]);
});
