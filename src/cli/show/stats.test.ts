import { expect, test } from "bun:test";
import { formatStats, type NamedFigures, statsJson } from "./stats.ts";

const MIB = 2 ** 20;
const web: NamedFigures = {
  name: "web",
  figures: {
    memoryBytes: 512 * MIB,
    availableBytes: 400 * MIB,
    root: { memoryBytes: 10 * MIB, processorMicroseconds: 5, processes: 3 },
    filesystems: [{ path: "/", bytes: 10_240 * MIB, freeBytes: 10_000 * MIB }],
    hostBytes: 100 * MIB,
    processors: 1.2345,
  },
};
const unknown = {
  ...web,
  name: "new",
  figures: { ...web.figures, hostBytes: undefined, processors: undefined },
};

test("a line for each machine; a dash stands for what is not known", () => {
  expect(formatStats([unknown, web])).toMatchInlineSnapshot(`
    "NAME                      CPU     MEMORY  HOST MEMORY          ROOT DISK       STORAGE DISK   PIDS
    --------------------------------------------------------------------------------------------------
    new                         -   10.0 MiB            -   240 MiB/10.0 GiB                  -      3
    web                    123.4%   10.0 MiB      100 MiB   240 MiB/10.0 GiB                  -      3
    "
  `);
});

test("the keys of --json", () => {
  expect(statsJson(web)).toMatchInlineSnapshot(`
    {
      "cpu_percent": 123.5,
      "host_memory_bytes": 104857600,
      "memory_available_bytes": 419430400,
      "memory_bytes": 10485760,
      "memory_total_bytes": 536870912,
      "name": "web",
      "processes": 3,
      "root_disk": {
        "bytes": 10737418240,
        "free_bytes": 10485760000,
      },
      "storage_disk": null,
    }
  `);
  expect(statsJson(unknown)).toMatchObject({ cpu_percent: null, host_memory_bytes: null });
});
