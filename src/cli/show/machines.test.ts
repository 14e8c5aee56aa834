import { expect, test } from "bun:test";
import { defaultSpec, type MachineInfo } from "../../machine/index.ts";
import { newState } from "../../machine/model/index.ts";
import { formatMachines } from "./machines.ts";

const machine: MachineInfo = {
  name: "vm-0a1b2c3d",
  status: "running",
  reason: "",
  record: {
    ...defaultSpec("vm-0a1b2c3d"),
    version: 2,
    createdAt: 1_700_000_000_000,
    initialized: true,
    baseId: null,
    ephemeral: true,
    cpus: 4,
    cmd: ["/bin/sh"],
    workdir: "/srv",
    env: ["PATH=/bin", "TOKEN=a\nb"],
  },
  state: {
    ...newState({ pid: 4711, engine: "krun", program: "0.1.0", startedAt: 1_700_000_000_000 }),
    phase: "running",
    vmmPid: 4712,
    readyAt: 1_700_000_000_500,
  },
  memoryBytes: 300 * 1024 * 1024,
};

const { record } = machine;
if (record === undefined) throw new Error("no record");

const hostile: MachineInfo = {
  ...machine,
  name: "a-name-that-is-longer-than-its-column",
  status: "stopped",
  reason: "its process was killed, or the host went down",
  record: {
    ...record,
    ephemeral: false,
    cpus: 16,
    memoryMib: 131_072,
    image: "./app\u001b[31m.tar",
    entrypoint: ["sh", "-c"],
    labels: { tier: "web" },
    init: ["apk add x"],
    volumes: [
      { kind: "bind", source: "/data", target: "/srv/data", readOnly: true },
      { kind: "overlay", source: "/src", target: "/src", readOnly: false },
    ],
    tmpfs: [{ target: "/t", sizeBytes: null, mode: 0o1777, exec: false }],
    secrets: [{ name: "TOKEN", from: "env", source: "MY_TOKEN" }],
    sshAgent: true,
    mountSockets: [{ host: "/run/a.sock", guest: "/a.sock" }],
    exposeSockets: [{ guest: "/b.sock", host: null }],
    restart: { ...record.restart, policy: "always" },
  },
};

const unreadable: MachineInfo = {
  ...machine,
  name: "later",
  status: "unknown",
  reason: "made by a later smolvm (record version 3)",
  record: undefined,
  state: undefined,
  memoryBytes: undefined,
};

test("no machines", () => {
  expect(formatMachines([], true)).toBe("No machines found\n");
});

test("a table that scripts can read, and nothing of a machine's texts that a terminal would obey", () => {
  expect(formatMachines([machine, hostile, unreadable], false)).toMatchInlineSnapshot(`
    "NAME                                  STATE           CPUS     MEMORY  MOUNTS   PORTS  STORAGE  OVERLAY
    -------------------------------------------------------------------------------------------------------
    vm-0a1b2c3d                           running (eph)      4   8192 MiB       0       0   20 GiB   10 GiB
    a-name-that-is-longer-than-its-column stopped           16 131072 MiB       3       0   20 GiB   10 GiB
    later                                 unknown            -          -       0       0        -        -
    "
  `);
  expect(formatMachines([machine, hostile, unreadable], true)).toMatchInlineSnapshot(`
    "NAME                                  STATE           CPUS     MEMORY  MOUNTS   PORTS  STORAGE  OVERLAY
    -------------------------------------------------------------------------------------------------------
    vm-0a1b2c3d                           running (eph)      4   8192 MiB       0       0   20 GiB   10 GiB
      PID: 4711
      Engine: krun
      Memory used: 300 MiB
      Image: built-in base image
      Cmd: ["/bin/sh"]
      Workdir: /srv
      Env: PATH=/bin
      Env: TOKEN=a b
      Created: 2023-11-14T22:13:20.000Z

    a-name-that-is-longer-than-its-column stopped           16 131072 MiB       3       0   20 GiB   10 GiB
      Reason: its process was killed, or the host went down
      Engine: krun
      Memory used: 300 MiB
      Image: ./app [31m.tar
      Entrypoint: ["sh","-c"]
      Cmd: ["/bin/sh"]
      Workdir: /srv
      Init: apk add x
      Env: PATH=/bin
      Env: TOKEN=a b
      Label: tier=web
      Mount: /data -> /srv/data (ro)
      Mount: /src -> /src (overlay)
      Tmpfs: /t
      Secret: TOKEN from $MY_TOKEN
      SSH agent: all keys
      Socket: /run/a.sock -> /a.sock
      Socket: /b.sock -> the machine's directory
      Restart: always
      Created: 2023-11-14T22:13:20.000Z

    later                                 unknown            -          -       0       0        -        -
      Reason: made by a later smolvm (record version 3)

    "
  `);
});
