import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync, watch, writeFileSync } from "node:fs";
import { resolvePaths } from "../../src/config/paths.ts";
import { useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { slowness } from "../support/program.ts";
import { seededRandom } from "../support/random.ts";
import { McpClient } from "./client.ts";
import { randomCalls, withEach } from "./random-calls.ts";

/** The tools of `smolvm mcp` on real machines, over stdio. */
setDefaultTimeout(90_000 * slowness);

const home = useMachines();
const shared = `${home.path}/shared`;
mkdirSync(shared);
const client = new McpClient(home, [
  "--max-mem",
  "768",
  "--max-machines",
  "3",
  "--allow-mount",
  shared,
  "--max-copy",
  "4",
]);
test("run has a machine of its own: exit code, both outputs, files, and nothing that stays", async () => {
  expect(await client.call("run", { command: "echo out; echo err >&2; exit 3" })).toMatchObject({
    ...{ exit_code: 3, stdout: "out\n", stderr: "err\n" },
  });
  const files = { "/app/main.sh": "echo $NAME from $PWD\n" };
  const given = { command: ["sh", "/app/main.sh"], files, env: { NAME: "héllo" }, cwd: "/app" };
  expect(await client.call("run", given)).toMatchObject({ exit_code: 0, stdout: "héllo from /app\n" });
  expect(await client.call("run", { command: "cat /app/main.sh", timeout_s: 30 })).toMatchObject({
    exit_code: 1,
  });
  const late = await client.call("run", { command: "echo begun; sleep 1000", timeout_s: 2 });
  expect(late).toMatchObject({ exit_code: 124, timed_out: true, stdout: "begun\n" });
  expect(await client.refusal("run", { command: ["/no/such/program"] })).toBe("exec.not_found");
});

test("exec keeps files and processes; what takes long goes on, and is asked for by its offsets", async () => {
  expect(await client.call("exec", { command: "echo kept > /root/x" })).toMatchObject({ new_machine: true });
  const kept = await client.call("exec", { command: ["cat", "/root/x"] });
  expect(kept).toEqual({ exit_code: 0, stdout: "kept\n", stderr: "" });
  const script = "echo one; read -r _ < /tmp/go; echo two; exit 7";
  await client.call("exec", { command: "mkfifo /tmp/go" });
  const begun = await client.call("exec", { command: script, timeout_s: 1 });
  expect(begun).toMatchObject({ running: true, stdout: "one\n", stdout_offset: 4 });
  const at = { id: begun.process, stdout_offset: begun.stdout_offset, wait_s: 50 };
  const waiting = client.call("process", { action: "poll", ...at });
  await client.call("exec", { command: "echo > /tmp/go" });
  expect(await waiting).toMatchObject({ stdout: "two\n", stdout_offset: 8 });
  const ended = await client.call("process", { action: "poll", ...at, stdout_offset: 8 });
  expect(ended).toMatchObject({ exit_code: 7, stdout: "" });
});

test("a background process reads what is written to it, and its end; signals reach it", async () => {
  const { process: id } = await client.call("exec", { command: "cat; echo end", background: true });
  await client.call("process", { action: "write", id, input: "hello\n" });
  expect(await client.call("process", { action: "poll", id, wait_s: 50 })).toMatchObject({
    stdout: "hello\n",
  });
  await client.call("process", { action: "write", id, input: "more\n", eof: true });
  let offset = 6;
  let text = "";
  while (text !== "more\nend\n") {
    const next = await client.call("process", { action: "poll", id, wait_s: 50, stdout_offset: offset });
    text += next.stdout;
    offset = next.stdout_offset;
  }
  const { process: sleeper } = await client.call("exec", { command: "exec sleep 1000", background: true });
  await client.call("process", { action: "signal", id: sleeper, signal: "SIGKILL" });
  expect(await client.call("process", { action: "poll", id: sleeper, wait_s: 50 })).toMatchObject({
    exit_code: 137,
  });
  expect(await client.refusal("process", { action: "write", id: sleeper, input: "x" })).toBe("mcp.no_input");
  expect(await client.refusal("process", { action: "poll", id: "nothing" })).toBe("process.not_found");
  const { processes } = await client.call("process", { action: "list" });
  expect(processes.map((one: { id: string }) => one.id)).toContain(sleeper);
});

test("long output is its beginning and its end, and all of it in a file of the machine", async () => {
  const long = await client.call("exec", { command: "seq 1 100000" });
  expect(long.stdout.length).toBeLessThan(41_000);
  expect(long.stdout).toMatch(/^1\n2\n/);
  expect(long.stdout).toMatch(/\n99999\n100000\n$/);
  const { stdout } = await client.call("exec", {
    command: `seq 1 100000 | cmp - ${long.output_file} && echo same`,
  });
  expect(stdout).toBe("same\n");
});

test("files are written, read in parts, edited and listed", async () => {
  await client.call("write_file", { path: "/w/deep/a.sh", content: "echo één\n", mode: "755" });
  await client.call("edit_file", { path: "/w/deep/a.sh", old: "één", new: "twee $1" });
  expect(await client.call("exec", { command: "/w/deep/a.sh x" })).toMatchObject({ stdout: "twee x\n" });
  for (const [old, code] of [
    ["none", "mcp.edit"],
    ["e", "mcp.edit"],
  ])
    expect(await client.refusal("edit_file", { path: "/w/deep/a.sh", old, new: "" })).toBe(code as string);
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, at) => at % 256));
  await client.call("write_file", {
    path: "/w/b.bin",
    content: bytes.toString("base64"),
    encoding: "base64",
  });
  const read = await client.call("read_file", { path: "/w/b.bin" });
  expect(read).toEqual({ path: "/w/b.bin", encoding: "base64", content: bytes.toString("base64") });
  const text = "é".repeat(30_000);
  await client.call("write_file", { path: "/w/long", content: text });
  const parts: string[] = [];
  for (let offset: number | undefined = 0; offset !== undefined; ) {
    const part = await client.call("read_file", { path: "/w/long", offset, limit: 10_001 });
    parts.push(part.content);
    offset = part.next_offset;
  }
  expect(parts.join("") === text).toBe(true);
  const { entries } = await client.call("list_files", { path: "/w", depth: 2 });
  expect(entries.map(({ type, path }: { type: string; path: string }) => `${type} ${path}`)).toEqual([
    ...["file /w/b.bin", "dir /w/deep", "file /w/deep/a.sh", "file /w/long"],
  ]);
  expect(await client.refusal("read_file", { path: "/none" })).toBe("copy.not_found");
  expect(await client.refusal("list_files", { path: "/none" })).toBe("mcp.guest_tool");
});

test("copy goes between a machine and the folders that were allowed, whatever links say", async () => {
  writeFileSync(`${shared}/in.txt`, "from the host");
  await client.call("copy", { from: `${shared}/in.txt`, to: "default:/w/in.txt" });
  await client.call("exec", { command: "tr a-z A-Z < /w/in.txt > /w/out.txt" });
  await client.call("copy", { from: "default:/w/out.txt", to: `${shared}/out.txt` });
  expect(readFileSync(`${shared}/out.txt`, "utf8")).toBe("FROM THE HOST");
  // A copy has an end, and of one that is too large nothing appears.
  const large = "mkdir /w/large && head -c 3000000 /dev/zero | tee /w/large/a > /w/large/b";
  await client.call("exec", { command: large });
  await client.call("copy", { from: "default:/w/large/a", to: `${shared}/a` });
  expect(await client.refusal("copy", { from: "default:/w/large", to: `${shared}/large` })).toBe(
    "copy.limit",
  );
  expect(existsSync(`${shared}/large/b`)).toBe(false);
  writeFileSync(`${home.path}/secret`, "secret");
  symlinkSync(`${home.path}/secret`, `${shared}/link`);
  symlinkSync(home.path, `${shared}/up`);
  // A link that a guest has made in there is a link when it comes back.
  await client.call("exec", { command: `mkdir /w/tree && ln -s ${home.path}/secret /w/tree/link` });
  await client.call("copy", { from: "default:/w/tree", to: `${shared}/tree` });
  await client.call("copy", { from: `${shared}/tree`, to: "default:/w/back" });
  const { stdout: back } = await client.call("exec", { command: "readlink /w/back/link; cat /w/back/link" });
  expect(back).toBe(`${home.path}/secret\n`);
  for (const from of [
    `${shared}/tree/link`,
    `${home.path}/secret`,
    `${shared}/link`,
    `${shared}/../secret`,
    `${shared}/up/secret`,
    "/etc/passwd",
  ])
    expect(await client.refusal("copy", { from, to: "default:/w/" })).toBe("mcp.not_allowed");
  for (const to of [
    `${shared}/tree/link`,
    `${shared}/link`,
    `${shared}/up/new`,
    `${home.path}/new`,
    `${shared}/..`,
  ])
    expect(await client.refusal("copy", { from: "default:/w/out.txt", to })).toBe("mcp.not_allowed");
  expect(readFileSync(`${home.path}/secret`, "utf8")).toBe("secret");
});

test("no call gets beyond a ceiling", async () => {
  const small = { memory_mb: 256 };
  await client.call("machines", { action: "create", name: "two", ...small });
  await client.call("machines", { action: "create", name: "three", memory_mb: 128 });
  expect(await client.refusal("machines", { action: "create", name: "four", memory_mb: 64 })).toBe(
    "mcp.limit",
  );
  expect(await client.refusal("run", { command: "true" })).toBe("mcp.limit");
  await client.call("machines", { action: "delete", name: "three" });
  expect(await client.refusal("machines", { action: "create", name: "big", memory_mb: 512 })).toBe(
    "mcp.limit",
  );
  for (const over of [
    { memory_mb: 1024 },
    { cpus: 5 },
    { network: ["example.com"] },
    { image: "/etc" },
    { image: "-" },
  ])
    expect(await client.refusal("machines", { action: "create", name: "over", ...over })).toBe(
      "mcp.not_allowed",
    );
  for (const over of [{ network: ["example.com"] }, { image: "./x.tar" }])
    expect(await client.refusal("run", { command: "true", ...over })).toBe("mcp.not_allowed");
  const { exit_code: reached } = await client.call("exec", {
    command: "wget -T 3 -q http://192.0.2.1/",
    machine: "two",
  });
  expect(reached).not.toBe(0);
  // A machine of the user's is none of the server's, under its own name or any other.
  await home.create("mine");
  for (const [name, args] of [
    ["exec", { command: "true" }],
    ["process", { action: "list" }],
    ["read_file", { path: "/etc/passwd" }],
    ["write_file", { path: "/x", content: "" }],
    ["edit_file", { path: "/x", old: "a", new: "b" }],
    ["list_files", { path: "/" }],
  ] as const)
    expect(await client.refusal(name, { ...args, machine: "mine" })).toBe("mcp.no_machine");
  for (const action of ["status", "logs", "delete"])
    expect(await client.refusal("machines", { action, name: "mine" })).toBe("mcp.no_machine");
  expect(await client.refusal("copy", { from: "mine:/etc/passwd", to: `${shared}/x` })).toBe(
    "mcp.no_machine",
  );
  await home.ok("delete", "-f", "mine");
  const { machines } = await client.call("machines", { action: "list" });
  expect(machines.map((one: { name: string }) => one.name).sort()).toEqual(["default", "two"]);
});

test("a client that says anything at all has a server that goes on", async () => {
  const calls = randomCalls(seededRandom("mcp calls"), 300);
  await withEach(calls, async ({ method, params }) => {
    const answer = await client.ask(method, params);
    expect(answer.result ?? answer.error).toBeDefined();
  });
  expect(await client.call("exec", { command: "echo well", machine: "two" })).toMatchObject({
    stdout: "well\n",
  });
});

test("machines end with a server that is killed, and one that is not used is deleted", async () => {
  const killed = new McpClient(home, ["--max-mem", "256", "--max-machines", "1"]);
  await killed.call("exec", { command: "true" });
  const before = (await home.names()).length;
  killed.kill();
  await killed.exited;
  await until("the end of its machine", async () => (await home.names()).length === before - 1);
  const early = new McpClient(home, ["--max-mem", "256", "--max-machines", "1"]);
  const seen = watch(`${resolvePaths(home.env).data}/machines`, () => early.kill());
  // It has no answer.
  void early.ask("tools/call", { name: "exec", arguments: { command: "true" } });
  await early.exited;
  seen.close();
  await until("the end of one that had hardly begun", async () => (await home.names()).length === before - 1);
  const idle = new McpClient(home, ["--max-mem", "256", "--max-machines", "1", "--idle-timeout", "1s"]);
  await idle.call("exec", { command: "true" });
  await until(
    "the end of an idle machine",
    async () => (await idle.call("machines", { action: "list" })).machines.length === 0,
  );
  expect(await idle.call("exec", { command: "true" })).toMatchObject({ new_machine: true });
  expect(await idle.end()).toBe(0);
});

test("with its client a server ends, and with it all of its machines", async () => {
  expect(await client.end()).toBe(0);
  expect(await home.names()).toEqual([]);
});
