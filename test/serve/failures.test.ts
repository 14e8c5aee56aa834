import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { useMachines } from "../support/machines.ts";
import { Talking } from "../support/process.ts";
import { slowness } from "../support/program.ts";

/** What of a failure of the server's own its client is told, and what only its log: the cache is no directory here. */
setDefaultTimeout(60_000 * slowness);

const home = useMachines();
const cache = `${home.path}/cache`;
let url: string;
let server: Talking;
let log: Promise<string>;

beforeAll(async () => {
  home.env.XDG_CACHE_HOME = cache;
  writeFileSync(cache, "a file");
  const child = home.start(["serve", "start", "-l", "127.0.0.1:0", "--json-logs"]);
  log = new Response(child.stderr).text();
  server = new Talking(child);
  url = (await server.line()).replace(/.* /, "");
}, 60_000 * slowness);

afterAll(() => server.child.kill("SIGKILL"));

test("a failure of the server's own has a trace id, and its words are in the log alone", async () => {
  const answer = await fetch(`${url}/api/v1/images`);
  expect(answer.status).toBe(500);
  const body = await answer.text();
  expect(JSON.parse(body)).toMatchObject({
    code: "INTERNAL_ERROR",
    error: expect.stringContaining("x-trace-id"),
  });
  const stream = await fetch(`${url}/api/v1/images/pull/stream`, {
    ...{ method: "POST", headers: { "content-type": "application/json" } },
    body: '{"image":"127.0.0.1:1/none"}',
  });
  const events = await stream.text();
  expect(events).toContain("event: error");
  expect(events).toContain("INTERNAL_ERROR");
  expect(body + events).not.toContain(home.path);

  // What the server's user lends to a machine is no failure of the server's, and the file's name is nobody else's.
  const file = `${home.path}/secret`;
  writeFileSync(file, "word", { mode: 0o600 });
  await home.ok("create", "--name", "unset", "--secret-env", "A=SECRET_OF_ADA");
  await home.ok("create", "--name", "unread", "--secret-file", `A=${file}`);
  rmSync(file);
  const start = async (name: string) =>
    await fetch(`${url}/api/v1/machines/${name}/start`, { method: "POST" });
  const unset = await start("unset");
  expect([unset.status, await unset.json()]).toEqual([
    409,
    expect.objectContaining({ reason: "secret.not_set", error: expect.stringContaining("SECRET_OF_ADA") }),
  ]);
  const unread = await start("unread");
  const lent = await unread.text();
  expect(JSON.parse(lent)).toMatchObject({ code: "CONFLICT", reason: "secret.unreadable" });
  expect(lent).not.toContain(home.path);

  server.child.kill("SIGTERM");
  expect(await server.child.exited).toBe(0);
  for (const [{ headers }, named] of [
    [answer, cache],
    [stream, cache],
    [unread, file],
  ] as const) {
    const id = headers.get("x-trace-id");
    if (id === null) throw new Error("there is no trace id");
    expect((await log).split("\n").find((line) => line.includes(id) && line.includes(named))).toBeDefined();
  }
});
