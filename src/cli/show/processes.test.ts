import { expect, test } from "bun:test";
import type { ProcessInfo } from "../../machine/index.ts";
import { formatProcesses, processJson } from "./processes.ts";

const running: ProcessInfo = {
  id: "0123456789ab",
  name: "workload",
  argv: ["sh", "-c", "a\nb"],
  user: "0",
  tty: false,
  stdin: true,
  pid: 12,
  startedAt: 1_700_000_000_123,
  state: "running",
  endedAt: null,
  exitCode: null,
  signal: null,
  outOfMemory: false,
  attached: 1,
  written: { stdout: 1, stderr: 2 },
};
const exited: ProcessInfo = {
  ...running,
  ...{
    id: "fedcba987654",
    name: null,
    argv: ["true"],
    state: "exited",
    endedAt: 1_700_000_001_000,
    exitCode: 0,
  },
};

test("a line for each process, whose command is never cut off", () => {
  const long = "x".repeat(200);
  const killed = { ...exited, exitCode: null, signal: 9, argv: [long] };
  expect(formatProcesses([running, exited, { ...killed, argv: ["sleep", "9"] }])).toMatchInlineSnapshot(`
    "ID             STATE            STARTED                COMMAND
    --------------------------------------------------------------------------
    0123456789ab   running          2023-11-14T22:13:20Z   workload: sh -c a b
    fedcba987654   exited (0)       2023-11-14T22:13:20Z   true
    fedcba987654   signal 9         2023-11-14T22:13:20Z   sleep 9
    "
  `);
  expect(formatProcesses([killed])).toContain(long);
  expect(formatProcesses([])).toContain(" COMMAND\n");
});

test("the keys of --json", () => {
  expect(processJson(exited)).toMatchInlineSnapshot(`
    {
      "attached": 1,
      "command": [
        "true",
      ],
      "ended_at": 1700000001,
      "exit_code": 0,
      "id": "fedcba987654",
      "name": null,
      "oom_killed": false,
      "pid": 12,
      "running": false,
      "signal": null,
      "started_at": 1700000000.123,
      "state": "exited",
      "tty": false,
      "user": "0",
    }
  `);
});
