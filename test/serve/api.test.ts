import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { useMachines } from "../support/machines.ts";
import { slowness } from "../support/program.ts";
import { tryAllEvents } from "./all-events.ts";
import { Api, eventsOf } from "./api.ts";
import { describePrograms } from "./programs.ts";
import { tryVolumes } from "./volumes.ts";
import { tryWorkspaces } from "./workspaces.ts";

/**
 * The HTTP API of the program, with real machines. Each answer is held against the OpenAPI document that the server
 * gives (api.ts), and the last test fails for an operation that no test has called.
 */
setDefaultTimeout(120_000 * slowness);

let api: Api;

// Before what looks whether anything is left.
afterAll(async () => {
  await api.stop();
});

const home = useMachines();

const SMALL = { cpus: 1, memoryMb: 256, overlayGb: 2, storageGb: 1 };
const BOX = "/api/v1/machines/box";

beforeAll(async () => {
  mkdirSync(`${home.path}/shared/inner`, { recursive: true });
  writeFileSync(`${home.path}/shared/inner/file`, "of the host\n");
  symlinkSync("/etc", `${home.path}/shared/etc`);
  api = await Api.start(home, ["--allow-mount", `${home.path}/shared`]);
  await api.ask("POST", "/api/v1/machines", {
    json: { name: "box", ...SMALL, labels: { tier: "front" }, env: [{ name: "A", value: "1" }] },
  });
}, 120_000 * slowness);

const exec = (command: readonly string[], more: object = {}) =>
  api.ask("POST", `${BOX}/exec`, { json: { command, ...more } });

test("the server says how it is", async () => {
  const health = await api.ask("GET", "/health");
  expect(health).toMatchObject({ status: "ok", machines: { total: 1 } });
  expect(await api.ask("GET", "/readyz")).toEqual({ status: "ready" });
  const metrics = await (await api.call("GET", "/metrics")).text();
  expect(metrics).toMatch(/^smolvm_api_requests_total\{method="GET",status="200",path="\/health"\} [1-9]/m);
  expect(metrics).toContain("smolvm_machines_total 1");
  expect(await api.ask("GET", "/api-docs/openapi.json")).toMatchObject({ openapi: "3.1.0" });
  const head = await fetch(`${api.url}/health`, { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test("the page for people loads nothing from elsewhere", async () => {
  const answer = await api.call("GET", "/docs");
  expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
  const page = await answer.text();
  expect(page).not.toMatch(/<script|src=|href="(?!\/|#)|url\(/);
  const { paths } = await api.document();
  for (const path of Object.keys(paths)) expect(page).toContain(`<code>${path}</code>`);
});

test("what is asked for wrongly is refused with the name of what is wrong", async () => {
  const create = (json: unknown) => api.refusal("POST", "/api/v1/machines", { json });
  expect(await create({ name: "" })).toMatchObject({
    status: 400,
    error: "name: machine name cannot be empty",
  });
  expect((await create({ naem: "x" })).error).toBe('unknown field "naem" in the body; did you mean name?');
  expect((await create({ restart: { polcy: "never" } })).error).toBe(
    'unknown field "restart.polcy" in the body; did you mean policy?',
  );
  const exec = (json: unknown) => api.refusal("POST", "/api/v1/machines/any/exec", { json });
  expect((await exec({ comand: ["true"] })).error).toBe(
    'unknown field "comand" in the body; did you mean command?',
  );
  expect((await exec({ user: "root" })).error).toBe("command: is missing");
  expect((await create({ memoryMb: 1 })).error).toBe("memoryMb: must be at least 64 (got 1)");
  expect((await create({ mem: 512, memoryMb: 512 })).error).toContain("mem and memoryMb are the same");
  expect((await create({ secrets: { A: { from_env: "HOME" } } })).status).toBe(400);
  expect((await create({ network: false, allowedHosts: ["example.com"] })).status).toBe(400);
  expect((await create({ allowedCidrs: ["300.0.0.0/8"] })).error).toContain("is invalid");
  expect((await create({ ports: [{ host: 1, guest: 0 }] })).status).toBe(400);
  expect(
    (
      await create({
        ports: [
          { host: 81, guest: 1 },
          { host: 81, guest: 2 },
        ],
      })
    ).status,
  ).toBe(400);
  expect(await create({ name: "box" })).toMatchObject({ status: 409, code: "CONFLICT" });
  expect((await api.refusal("GET", "/api/v1/machines?stat=running")).error).toContain("did you mean state?");
  expect(await api.refusal("GET", "/api/v1/machines/none")).toMatchObject({ status: 404, code: "NOT_FOUND" });
  expect((await api.refusal("GET", "/nowhere")).status).toBe(404);
  const method = await api.call("DELETE", "/health");
  expect([method.status, method.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("a body that is none is refused", async () => {
  const post = (body: string | Uint8Array<ArrayBuffer>, type = "application/json") =>
    api.refusal("POST", "/api/v1/machines", { body, headers: { "content-type": type } });
  expect((await post("{}", "text/plain")).status).toBe(415);
  for (const body of ["{", "[]", "[{}]", "null", '"x"', "7"])
    expect([body, (await post(body)).status]).toEqual([body, 400]);
  expect((await post(new Uint8Array([0x22, 0xff, 0x22]))).error).toBe("the body is not UTF-8");
  expect((await post(`${"[".repeat(100)}${"]".repeat(100)}`)).error).toContain("nested too deeply");
  expect(await post(`"${"x".repeat(3 * 1024 * 1024)}"`)).toMatchObject({
    status: 413,
    code: "PAYLOAD_TOO_LARGE",
  });
});

test("paths of the host are those that the server's owner allows", async () => {
  const mount = (source: string) =>
    api.call("POST", "/api/v1/machines", {
      json: { name: "shared", ...SMALL, mounts: [{ source, target: "/s", readonly: true }] },
    });
  const { path } = home;
  for (const source of [
    "/etc",
    `${path}/shared/etc`,
    `${path}/shared/../user`,
    `${path}/nowhere`,
    `${path}/shared2`,
  ])
    expect([source, (await mount(source)).status]).toEqual([source, 403]);
  expect((await api.refusal("POST", "/api/v1/machines", { json: { image: "/etc/passwd.tar" } })).status).toBe(
    403,
  );
  expect((await mount(`${path}/shared/inner`)).status).toBe(200);
  const listed = await api.ask("GET", "/api/v1/machines/shared");
  expect(listed.mounts).toEqual([
    { kind: "bind", source: `${path}/shared/inner`, target: "/s", readonly: true },
  ]);
});

test("machines of the API and of the command line are one set", async () => {
  const made = await api.ask("POST", "/api/v1/machines", { json: { mem: 128, labels: { tier: "back" } } });
  expect(made.name).toMatch(/^vm-[0-9a-f]{8}$/);
  expect(made.memoryMb).toBe(128);
  await home.ok("create", "typed", "-l", "tier=back");
  const names = async (query: string) =>
    (await api.ask("GET", `/api/v1/machines?${query}`)).machines
      .map(({ name }: { name: string }) => name)
      .sort();
  expect(await names("label=tier%3Dback")).toEqual(["typed", made.name].sort());
  expect(await names("label=tier&state=running")).toEqual([]);
  const listed = await home.smolvm(["machine", "ls", "-q"]);
  expect(listed.output).toContain(made.name);
  expect(await api.ask("DELETE", "/api/v1/machines/typed?force=true")).toEqual({ deleted: "typed" });
  await api.ask("DELETE", `/api/v1/machines/${made.name}`);
});

test("a machine is changed, resized and cloned while it does not run", async () => {
  const changed = await api.ask("PATCH", BOX, {
    json: { cpus: 2, env: [{ name: "B", value: "2" }], remove: { env: ["A"] }, ttlSecs: 86_400 },
  });
  expect(changed).toMatchObject({ cpus: 2, env: [{ name: "B", value: "2" }], ttlSecs: 86_400 });
  expect((await api.ask("PATCH", BOX, { json: { init: ["echo 1 >> /i", "false"] } })).init).toHaveLength(2);
  const failed = await api.refusal("POST", `${BOX}/start`);
  expect(failed).toMatchObject({ status: 409, error: expect.stringContaining("init[1] failed") });
  const init = { init: ["echo 2 >> /i"], remove: { init: ["false"] } };
  expect((await api.ask("PATCH", BOX, { json: init })).init).toEqual(["echo 1 >> /i", "echo 2 >> /i"]);
  expect((await api.ask("POST", `${BOX}/resize`, { json: { storageGb: 2 } })).storageGb).toBe(2);
  expect((await api.refusal("POST", `${BOX}/resize`, { json: { storageGb: 1 } })).status).toBe(400);
  expect((await api.refusal("POST", `${BOX}/resize`, { json: {} })).status).toBe(400);
  expect((await api.ask("POST", `${BOX}/clone`, { json: { name: "twin" } })).cpus).toBe(2);
  await api.ask("DELETE", "/api/v1/machines/twin");
});

test("a command runs, and starts its machine first", async () => {
  expect(
    (await api.refusal("POST", `${BOX}/exec`, { json: { command: ["true"], autoStart: false } })).status,
  ).toBe(409);
  const result = await exec(["sh", "-c", "echo out $B; echo err >&2; cat; exit 3"], { stdin: "in" });
  expect(result).toEqual({
    ...{ exitCode: 3, stdout: "out 2\nin", stderr: "err\n" },
    ...{
      stdoutB64: Buffer.from("out 2\nin").toString("base64"),
      stderrB64: Buffer.from("err\n").toString("base64"),
    },
  });
  expect((await exec(["cat", "/i"])).stdout).toBe("1\n2\n");
  expect((await exec(["printf", "\\377"])).stdoutB64).toBe("/w==");
  expect(await exec(["sleep", "60"], { timeoutSecs: 0.5 })).toMatchObject({ exitCode: 124 });
  expect((await api.refusal("POST", `${BOX}/exec`, { json: { command: [] } })).status).toBe(400);
  expect(await api.refusal("POST", `${BOX}/exec`, { json: { command: ["no-such-program"] } })).toMatchObject({
    status: 400,
  });
  const long = await exec(["sh", "-c", "head -c 20000000 /dev/zero"]);
  expect([long.truncated, long.stdout.length]).toEqual([true, 16 * 1024 * 1024]);
});

test("a command in the background is listed and killed", async () => {
  const { id, stdout } = await exec(["sleep", "600"], { background: true });
  expect(stdout).toMatch(/^pid=\d+\n$/);
  const running = async () => {
    const { processes } = await api.ask("GET", `${BOX}/processes`);
    return processes.find((process: { id: string }) => process.id === id);
  };
  expect(await running()).toMatchObject({ command: ["sleep", "600"], running: true });
  expect(await api.ask("POST", `${BOX}/processes/${id}/kill`, { json: { signal: "SIGTERM" } })).toEqual({
    signalled: id,
  });
});

test("output comes as it is written, and a client that leaves ends its command", async () => {
  const answer = await api.call("POST", `${BOX}/exec/stream`, {
    json: { command: ["sh", "-c", "printf 'a\\nb'; sleep 0.2; echo c >&2; exit 4"] },
  });
  const events = await Array.fromAsync(eventsOf(answer));
  // How output is cut into pieces is its program's business.
  const joined = (name: string) =>
    events.flatMap(({ event, data }) => (event === name ? [data] : [])).join("");
  expect([joined("stdout"), joined("stderr")]).toEqual(["a\nb", "c\n"]);
  expect(events.at(-1)).toEqual({ event: "exit", data: '{"exitCode":4}' });
  const leaving = new AbortController();
  const endless = await fetch(`${api.url}${BOX}/exec/stream?encoding=base64`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, signal: leaving.signal },
    body: JSON.stringify({ command: ["sh", "-c", "echo here; exec sleep 4242"] }),
  });
  const first = await eventsOf(endless).next();
  expect(Buffer.from(first.value?.data ?? "", "base64").toString()).toBe("here\n");
  leaving.abort();
  await exec(["sh", "-c", "while pgrep -f '[s]leep 4242'; do sleep 0.1; done"], { timeoutSecs: 20 }).then(
    ({ exitCode }) => expect(exitCode).toBe(0),
  );
});

test("files of any size go in and out", async () => {
  const size = 50_000_000;
  const bytes = Buffer.alloc(size, "0123456789abcdef\n");
  const put = await api.ask("PUT", `${BOX}/files/srv/deep/er/big%20one?mode=384`, { body: bytes });
  expect(put).toEqual({ path: "/srv/deep/er/big one", size });
  const seen = await exec([
    "sh",
    "-c",
    "stat -c '%a %s' '/srv/deep/er/big one'; sha256sum < '/srv/deep/er/big one'",
  ]);
  const sum = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  expect(seen.stdout).toBe(`600 ${size}\n${sum}  -\n`);
  const got = await api.call("GET", `${BOX}/files/srv/deep/er/big%20one`);
  expect(Buffer.compare(Buffer.from(await got.arrayBuffer()), bytes)).toBe(0);
  await api.ask("PUT", `${BOX}/files/srv/empty`, { body: new Uint8Array() });
  expect(await (await api.call("GET", `${BOX}/files/srv/empty`)).text()).toBe("");
  expect((await api.call("GET", `${BOX}/files/proc/version`)).status).toBe(200);
});

test("paths that are none, or lead elsewhere, are refused", async () => {
  expect((await api.refusal("GET", `${BOX}/files/no/such`)).status).toBe(404);
  expect((await api.refusal("GET", `${BOX}/files/etc`)).status).toBe(400);
  expect((await api.refusal("PUT", `${BOX}/files/etc`, { body: "x" })).status).toBe(400);
  for (const path of ["a%2f..%2fb", "%2e%2e%2fetc", "a%00b", "%zz"])
    expect([path, (await api.refusal("GET", `${BOX}/files/${path}`)).status]).toEqual([path, 400]);
});

test("directories go in and out as archives", async () => {
  await exec(["sh", "-c", "mkdir -p /srv/tree/sub && echo x > /srv/tree/sub/f"]);
  const archive = await (await api.call("GET", `${BOX}/archive/srv/tree`)).arrayBuffer();
  const answer = await api.ask("PUT", `${BOX}/archive/opt`, { body: new Uint8Array(archive) });
  expect(answer).toMatchObject({ path: "/opt", files: 1 });
  expect((await exec(["cat", "/opt/tree/sub/f"])).stdout).toBe("x\n");
  expect((await api.refusal("PUT", `${BOX}/archive/opt`, { body: "no archive at all" })).status).toBe(400);
});

test("a terminal over a WebSocket", async () => {
  const url = `${api.url.replace("http", "ws")}${BOX}/exec/interactive?cols=101&rows=33`;
  expect((await api.refusal("GET", `${BOX}/exec/interactive`)).status).toBe(400);
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  let shown = "";
  const said: string[] = [];
  const closed = Promise.withResolvers<number>();
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") said.push(data);
    else shown += Buffer.from(data as ArrayBuffer).toString();
  };
  socket.onclose = ({ code }) => closed.resolve(code);
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  socket.send("stty size\n");
  socket.send(JSON.stringify({ type: "resize", cols: 50, rows: 20 }));
  socket.send(JSON.stringify({ type: "stdin", data: "stty size; tty\n" }));
  socket.send(Buffer.from("exit 7\n"));
  expect(await closed.promise).toBe(1000);
  expect(said).toEqual(['{"type":"exit","code":7}']);
  expect(shown).toContain("/dev/pts/");
});

describePrograms(() => api);

test("logs, events, figures and policies", async () => {
  await api.ask("POST", "/api/v1/machines", {
    json: {
      name: "talker",
      ...SMALL,
      allowedHosts: ["example.com"],
      cmd: ["sh", "-c", "echo one; echo two; sleep 600"],
    },
  });
  await api.ask("POST", "/api/v1/machines/talker/start");
  const talker = "/api/v1/machines/talker";
  const follow = eventsOf(await api.call("GET", `${talker}/logs?follow=true&format=json`));
  expect(JSON.parse((await follow.next()).value?.data ?? "")).toMatchObject({
    stream: "stdout",
    message: "one",
  });
  expect((await follow.next()).value?.data).toContain("two");
  const lines = await Array.fromAsync(eventsOf(await api.call("GET", `${talker}/logs?tail=1`)));
  expect(lines).toEqual([{ event: "", data: "two" }]);
  const consoleLines = eventsOf(await api.call("GET", `${talker}/logs?source=console&format=json&tail=1`));
  expect(JSON.parse((await consoleLines.next()).value?.data ?? "")).toHaveProperty("level");
  const events = eventsOf(await api.call("GET", `${talker}/events`));
  expect((await events.next()).value?.event).toBe("watching");
  expect((await api.ask("GET", `${talker}/stats`)).memoryBytes).toBeGreaterThan(1_000_000);
  expect(await api.ask("GET", `${talker}/egress-events?limit=5`)).toEqual({ events: [] });
  const explained = await api.ask("GET", `${talker}/policy/explain?host=example.com&port=443`);
  expect(explained).toMatchObject({ network: true, lookup: true });
  expect(explained.flows[0]).toMatchObject({ protocol: "tcp", port: 443, allow: true, rule: "example.com" });
  expect(await api.ask("GET", `${talker}/policy/learned`)).toEqual({
    allowedHosts: [],
    allowedCidrs: [],
    unanswered: [],
  });
  expect(
    (await api.ask("PATCH", talker, { json: { allowedHosts: ["example.org"] } })).allowedHosts,
  ).toHaveLength(2);
  expect((await api.refusal("PATCH", talker, { json: { cpus: 2 } })).status).toBe(409);
  const stopped = api.ask("GET", `${talker}/wait?until=stopped&timeoutSecs=60`);
  expect((await api.refusal("GET", `${talker}/wait?until=stopped&timeoutSecs=0.1`)).status).toBe(408);
  expect((await api.ask("POST", `${talker}/stop`, { json: { timeoutSecs: 0 } })).state).toBe("stopped");
  expect((await stopped).state).toBe("stopped");
  expect((await follow.next()).done).toBe(true);
  expect((await api.ask("POST", `${talker}/stop`)).state).toBe("stopped");
  await api.ask("DELETE", talker);
});

test("a machine is restarted, and runs on when its server is killed in the middle of a stream", async () => {
  const { pid } = await api.ask("POST", `${BOX}/restart`);
  const stream = await api.call("POST", `${BOX}/exec/stream`, {
    json: { command: ["sh", "-c", "echo here; sleep 600"] },
  });
  const events = eventsOf(stream);
  expect((await events.next()).value?.data).toBe("here\n");
  api.kill("SIGKILL");
  await expect(events.next()).rejects.toThrow();
  const called = api.called;
  api = await Api.start(home, ["--allow-mount", `${home.path}/shared`]);
  for (const operation of called) api.called.add(operation);
  expect(await api.ask("GET", BOX)).toMatchObject({ state: "running", pid });
  expect((await exec(["echo", "still"])).stdout).toBe("still\n");
});

test("images", async () => {
  expect(Array.isArray((await api.ask("GET", "/api/v1/images")).images)).toBe(true);
  expect(await api.ask("GET", `${BOX}/images`)).toEqual({ images: [] });
  const none = { json: { image: "127.0.0.1:1/no/such" } };
  for (const path of ["/api/v1/images/pull", `${BOX}/images/pull`, `${BOX}/run`])
    expect(
      (
        await api.refusal(
          "POST",
          path,
          path.endsWith("run") ? { json: { ...none.json, command: ["true"] } } : none,
        )
      ).status,
    ).toBe(502);
  const events = await Array.fromAsync(eventsOf(await api.call("POST", "/api/v1/images/pull/stream", none)));
  expect(events.at(-1)?.event).toBe("error");
  expect((await api.refusal("POST", "/api/v1/images/pull", { json: { image: "./x.tar" } })).status).toBe(400);
  expect(
    (await api.refusal("POST", "/api/v1/images/remove", { json: { image: "no/such:one" } })).status,
  ).toBe(404);
  expect((await api.refusal("GET", "/api/v1/images/inspect?image=no/such:one")).status).toBe(404);
  expect(await api.ask("POST", "/api/v1/images/prune", { json: { dryRun: true } })).toHaveProperty(
    "freedBytes",
  );
});

test("volumes outlive machines, and belong to those that name them", async () => await tryVolumes(api, home));

test("what a guest has changed of a folder is seen, applied and discarded", async () =>
  await tryWorkspaces(api, home, `${home.path}/shared`));

test("one stream tells what happens to all machines", async () => await tryAllEvents(api, home));

test("two hundred clients at once each get their answer", async () => {
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) => exec(["echo", String(index)], { timeoutSecs: 100 })),
  );
  expect(answers.map(({ stdout }) => Number(stdout))).toEqual(answers.map((_, index) => index));
});

test("every operation has been called", async () => {
  const { paths } = await api.document();
  const operations = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
  expect(operations.filter((id) => !api.called.has(id))).toEqual([]);
});
