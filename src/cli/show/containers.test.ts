import { expect, test } from "bun:test";
import type { ContainerRecord } from "../../machine/index.ts";
import { containerJson, formatContainers } from "./containers.ts";

const record: ContainerRecord = {
  version: 1,
  id: "0123456789ab",
  createdAt: 1_700_000_000_500,
  reference: "redis:7",
  image: {
    ...{ id: `sha256:${"0".repeat(64)}`, workdir: "", user: "" },
    ...{ entrypoint: [], cmd: [], env: [], volumes: [] },
  },
  ...{ imageBytes: 4096, argv: ["sleep", "infinity"], env: [], workdir: null, binds: [] },
  ...{ state: "running", startedAt: 1_700_000_001_000, end: null },
};
const ended = (end: Partial<NonNullable<ContainerRecord["end"]>>): ContainerRecord => ({
  ...record,
  state: "exited",
  end: { exitCode: null, signal: null, outOfMemory: false, at: 1_700_000_002_000, ...end },
});

test("the table of containers", () => {
  const containers = [
    record,
    { ...record, state: "created" } as const,
    ended({ exitCode: 255 }),
    ended({ signal: 9 }),
    ended({}),
    {
      ...record,
      reference: "registry.example.com/\u001b[31m/x:latest",
      argv: ["sh", "-c", "a\nb".repeat(20)],
    },
  ];
  expect(`\n${formatContainers(containers)}`).toMatchInlineSnapshot(`
    "
    CONTAINER ID     IMAGE                STATE        COMMAND
    ---------------------------------------------------------------------------------
    0123456789ab     redis:7              running      sleep infinity
    0123456789ab     redis:7              created      sleep infinity
    0123456789ab     redis:7              exited (255) sleep infinity
    0123456789ab     redis:7              exited (137) sleep infinity
    0123456789ab     redis:7              exited       sleep infinity
    0123456789ab     registry....x:latest running      sh -c a ba ba ...ba ba ba ba b
    "
  `);
  expect(formatContainers([])).toBe("No containers found\n");
});

test("a container as JSON", () => {
  expect(containerJson(ended({ signal: 9, outOfMemory: true }))).toMatchInlineSnapshot(`
    {
      "command": [
        "sleep",
        "infinity",
      ],
      "created_at": 1700000000,
      "exit_code": null,
      "id": "0123456789ab",
      "image": "redis:7",
      "image_id": "sha256:0000000000000000000000000000000000000000000000000000000000000000",
      "out_of_memory": true,
      "signal": 9,
      "started_at": 1700000001,
      "state": "exited",
    }
  `);
});
