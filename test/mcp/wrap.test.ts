import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { SMALL, useMachines } from "../support/machines.ts";
import { inputOf, Talking, until } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";

setDefaultTimeout(60_000 * slowness);

const home = useMachines();

/** Somebody's server: it answers each line with its id and the folder that it was given. */
const SERVER =
  'while read -r line; do echo "{\\"got\\":$line,\\"note\\":\\"$(cat /notes/a)\\"}"; done; echo over >&2; exit 3';

test("somebody else's server runs in a machine: its messages pass, what it was lent is there, its client's end ends it", async () => {
  const notes = `${home.path}/notes`;
  mkdirSync(notes);
  writeFileSync(`${notes}/a`, "lent");
  const words = ["mcp", "wrap", ...SMALL, "-v", `${notes}:/notes:ro`, "--", "sh", "-c", SERVER];
  const server = new Talking(home.start(words, { stdin: "pipe" }));
  for (const id of [1, 2]) {
    server.say(`{"id":${id}}\n`);
    expect(JSON.parse(await server.line())).toEqual({ got: { id }, note: "lent" });
  }
  inputOf(server.child).end();
  expect(await server.child.exited).toBe(3);
  expect([await server.rest(), await new Response(server.child.stderr).text()]).toEqual(["", "over\n"]);
});

test("signals reach the server, and with a client that is killed it is gone", async () => {
  const script = `trap 'echo last words; exit 5' TERM; echo ready; while :; do read -r _; done`;
  const start = () =>
    new Talking(home.start(["mcp", "wrap", ...SMALL, "--", "sh", "-c", script], { stdin: "pipe" }));
  const [told, killed] = [start(), start()];
  expect([await told.line(), await killed.line()]).toEqual(["ready", "ready"]);
  told.child.kill("SIGTERM");
  expect([await told.line(), await told.child.exited]).toEqual(["last words", 5]);
  killed.child.kill("SIGKILL");
  await killed.child.exited;
  await until("the end of its machine", async () => (await home.names()).length === 0);
});

test("install prints, and with -y writes, without a loss; what it wrote starts a server", async () => {
  mkdirSync(home.env.HOME as string, { recursive: true });
  const file = `${home.env.HOME}/.claude.json`;
  writeFileSync(file, '{"mcpServers":{"other":{"command":"x"}},"token":"t"}', { mode: 0o600 });
  const printed = await home.smolvm(["mcp", "install", "codex", "--", "--max-machines", "2"]);
  expect(Bun.TOML.parse(printed.output)).toMatchObject({
    mcp_servers: { smolvm: { command: program, args: ["mcp", "start", "--max-machines", "2"] } },
  });
  expect((await home.smolvm(["mcp", "install", "claude", "-y", "--", "--tools", "run"])).exitCode).toBe(0);
  const { mcpServers, token } = JSON.parse(readFileSync(file, "utf8"));
  expect([mcpServers.other, token, statSync(file).mode & 0o777]).toEqual([{ command: "x" }, "t", 0o600]);
  const { command, args } = mcpServers.smolvm;
  const child = Bun.spawn([command, ...args], {
    env: home.env,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const server = new Talking(child);
  server.say('{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n');
  expect(JSON.parse(await server.line()).result.tools.map(({ name }: { name: string }) => name)).toEqual([
    "run",
  ]);
  inputOf(child).end();
  expect(await child.exited).toBe(0);
  writeFileSync(file, "{ // mine\n}");
  const broken = await home.smolvm(["--error-format", "json", "mcp", "install", "claude", "-y"]);
  expect([broken.exitCode, broken.stderr]).toEqual([1, expect.stringContaining("mcp.bad_file")]);
  expect(readFileSync(file, "utf8")).toBe("{ // mine\n}");
  const wrong = await home.smolvm(["mcp", "install", "claude", "--", "--no-such-option"]);
  expect(wrong.exitCode).toBe(2);
  for (const client of ["nobody", "constructor"])
    expect((await home.smolvm(["mcp", "install", client])).exitCode).toBe(2);
  rmSync(file);
});
