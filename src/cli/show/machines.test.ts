import { expect, test } from "bun:test";
import type { MachineSummary } from "../../machine/request.ts";
import { formatMachines } from "./machines.ts";

const machine: MachineSummary = {
  name: "vm-0a1b2c3d",
  state: "running",
  cpus: 4,
  memory_mib: 8192,
  pid: 4711,
  created_at: 1_700_000_000,
  storage_gb: 20,
  overlay_gb: 2,
  image: null,
  image_id: null,
  entrypoint: [],
  cmd: ["/bin/sh"],
  workdir: "/srv",
  env: ["PATH=/bin", "TOKEN=a\nb"],
  network: false,
  ephemeral: true,
  engine: "krun",
};

const hostile: MachineSummary = {
  ...machine,
  name: "a-name-that-is-longer-than-its-column",
  state: "starting",
  ephemeral: false,
  cpus: 16,
  memory_mib: 131_072,
  image: "./app\u001b[31m.tar",
  entrypoint: ["sh", "-c"],
  engine: "qemu",
};

test("no machines", () => {
  expect(formatMachines([], true)).toBe("No machines found\n");
});

test("a table with columns that stay in place", () => {
  expect(formatMachines([machine, hostile], false)).toMatchInlineSnapshot(`
    "NAME                                  STATE           CPUS     MEMORY  STORAGE  OVERLAY ENGINE
    ----------------------------------------------------------------------------------------------
    vm-0a1b2c3d                           running (eph)      4   8192 MiB   20 GiB    2 GiB krun
    a-name-that-is-longer-than-its-column starting          16 131072 MiB   20 GiB    2 GiB qemu
    "
  `);
});

test("what --verbose adds, without control characters of an image's name", () => {
  expect(formatMachines([hostile], true)).toMatchInlineSnapshot(`
    "NAME                                  STATE           CPUS     MEMORY  STORAGE  OVERLAY ENGINE
    ----------------------------------------------------------------------------------------------
    a-name-that-is-longer-than-its-column starting          16 131072 MiB   20 GiB    2 GiB qemu
      PID: 4711
      Image: ./app [31m.tar
      Entrypoint: ["sh","-c"]
      Cmd: ["/bin/sh"]
      Workdir: /srv
      Env: PATH=/bin
      Env: TOKEN=a b
      Created: 2023-11-14T22:13:20.000Z

    "
  `);
});
