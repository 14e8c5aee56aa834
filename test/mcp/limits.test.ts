import { expect, setDefaultTimeout, test } from "bun:test";
import { useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { slowness } from "../support/program.ts";
import { McpClient } from "./client.ts";

/** What `smolvm mcp` was started with, tried from each tool. */
setDefaultTimeout(90_000 * slowness);

const home = useMachines();
const MAX_OUTPUT = 1500;
const small = ["--max-mem", "256", "--max-machines", "1"];

test("no tool gets a machine more than there may be, or an image that nobody has opened", async () => {
  const client = new McpClient(home, [...small, "--max-disk", "4", "--max-output", String(MAX_OUTPUT)]);
  await client.call("machines", { action: "create", name: "only" });
  // What is written in a machine is written on the host, up to here.
  const sizes = "df -k / /storage | awk 'NR > 1 {print $2}'";
  const { stdout } = await client.call("exec", { machine: "only", command: sizes });
  const disks = stdout.trim().split("\n").map(Number);
  expect(disks.length).toBe(2);
  for (const kib of disks) expect(kib).toBeWithin(1.5 * 1024 * 1024, 2 * 1024 * 1024 + 1);
  for (const [tool, args] of [
    ["run", { command: "true" }],
    ["exec", { command: "true" }],
    ["process", { action: "list" }],
    ["read_file", { path: "/etc/passwd" }],
    ["write_file", { path: "/x", content: "" }],
    ["edit_file", { path: "/x", old: "a", new: "b" }],
    ["list_files", { path: "/" }],
    ["copy", { from: "default:/etc/passwd", to: "/x" }],
    ["machines", { action: "create", name: "more" }],
  ] as const)
    expect([tool, await client.refusal(tool, args)]).toEqual([
      tool,
      // No path of the host is allowed here, which is seen first.
      tool === "copy" ? "mcp.not_allowed" : "mcp.limit",
    ]);
  for (const image of ["evil.test/secret:1", "acme/app", "sha256:0123456789ab"]) {
    expect(await client.refusal("run", { command: "true", image })).toBe("mcp.not_allowed");
    const create = { action: "create", name: "more", image };
    expect(await client.refusal("machines", create)).toBe("mcp.not_allowed");
  }

  // Nothing that a guest makes long is long in a result.
  const machine = "only";
  const long = "x".repeat(300);
  const ids: string[] = [];
  for (let i = 0; i < 12; i++) {
    const command = i === 0 ? `exec sleep 1000; : ${long}` : `: ${long}`;
    ids.push((await client.call("exec", { machine, command, background: true })).process);
  }
  await client.call("process", { action: "poll", machine, id: ids.at(-1), wait_s: 50 });
  const { processes, truncated } = await client.call("process", { action: "list", machine });
  expect([processes[0], truncated]).toEqual([
    { id: ids[0], command: expect.stringContaining("sleep 1000"), running: true },
    true,
  ]);
  expect(Buffer.byteLength(JSON.stringify(processes))).toBeLessThanOrEqual(MAX_OUTPUT + 100);
  const touch = `mkdir /tmp/d; cd /tmp/d; for i in $(seq 100 199); do touch ${"x".repeat(50)}$i; done`;
  await client.call("exec", { machine, command: touch });
  const listed = await client.call("list_files", { machine, path: "/tmp/d" });
  expect(listed.truncated).toBe(true);
  // None was cut off, which would be another name.
  for (const { path } of listed.entries) expect(path).toMatch(/^\/tmp\/d\/x{50}\d{3}$/);
  expect(await client.end()).toBe(0);
});

test("no machine outlives its time: neither one that stays, nor one for a command", async () => {
  const client = new McpClient(home, [...small, "--ttl", "2s"]);
  const late = await client.call("run", { command: "echo begun; sleep 1000" });
  expect(late).toMatchObject({ exit_code: 124, timed_out: true, stdout: "begun\n" });
  await client.call("machines", { action: "create", name: "short" });
  await client.ask("tools/call", { name: "exec", arguments: { machine: "short", command: "sleep 1000" } });
  await until(
    "the end of its time",
    async () => (await client.call("machines", { action: "list" })).machines.length === 0,
  );
  expect(await client.end()).toBe(0);
  expect(await home.names()).toEqual([]);
});
