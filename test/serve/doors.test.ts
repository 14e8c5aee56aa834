import { expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { useMachines } from "../support/machines.ts";
import { Talking, until } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";
import { Api } from "./api.ts";

/** Who gets in, and what those who behave badly can do. Real sockets; curl, openssl and other users are the judges. */
setDefaultTimeout(60_000 * slowness);

const home = useMachines();
const TOKEN = "0123456789abcdef0123";

/** Starts a server, and gives what it says about where it listens. */
async function serving(words: readonly string[], env: Record<string, string> = {}) {
  const server = new Talking(home.start(["serve", "start", ...words], { env }));
  const line = await server.line();
  return { server, place: line.replace("smolvm API server listening on ", "") };
}

async function end({ server }: { server: Talking }): Promise<number> {
  server.child.kill("SIGTERM");
  return await server.child.exited;
}

const curl = async (...words: string[]) => {
  const child = Bun.spawn(["curl", "-s", "-m", "20", "-w", "\n%{http_code}", ...words], { stdout: "pipe" });
  const lines = (await new Response(child.stdout).text()).split("\n");
  return { status: Number(lines.pop()), body: lines.join("\n") };
};

const raw = (port: number, text: string, hold = false) =>
  new Promise<string>((resolve) => {
    let got = "";
    const socket = connect({ port, host: "127.0.0.1" }, () => {
      socket.write(text);
      if (!hold) socket.end();
    });
    socket.on("data", (data) => {
      got += data.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(got));
  });

test("the socket is its user's alone, and goes with the server; one that was killed is replaced", async () => {
  const first = await serving([]);
  const path = `${home.path}/run/smolvm.sock`;
  expect(first.place).toBe(`unix://${path}`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect((await curl("--unix-socket", path, "http://x/health")).status).toBe(200);
  const second = await home.smolvm(["serve", "start"]);
  expect([second.exitCode, second.stderr]).toEqual([1, expect.stringContaining("another server listens at")]);
  first.server.child.kill("SIGKILL");
  await first.server.child.exited;
  expect(existsSync(path)).toBe(true);
  const third = await serving(["-l", `unix://${path}`]);
  expect(await end(third)).toBe(0);
  expect(existsSync(path)).toBe(false);
});

test("of servers that find a dead one's socket at once, one gets its place, and keeps it", async () => {
  const path = `${home.path}/run/raced.sock`;
  const first = await serving(["-l", path]);
  first.server.child.kill("SIGKILL");
  await first.server.child.exited;
  const RIVALS = 6;
  const rivals = Array.from({ length: RIVALS }, () => home.start(["serve", "start", "-l", path]));
  // All but one end by themselves.
  const ended: unknown[] = [];
  await new Promise<void>((resolve) => {
    for (const rival of rivals)
      rival.exited.then(() => {
        if (ended.push(rival) === RIVALS - 1) resolve();
      });
  });
  expect((await curl("--unix-socket", path, "http://x/health")).status).toBe(200);
  const winner = rivals.find((rival) => !ended.includes(rival));
  winner?.kill("SIGTERM");
  expect(await winner?.exited).toBe(0);
  expect(existsSync(path)).toBe(false);
});

test("another user of the host gets nowhere", async () => {
  if (process.getuid?.() !== 0) throw new Error("this test needs root, to become another user");
  const directory = `${home.path}/open`;
  mkdirSync(directory);
  for (const path of [home.path, directory]) chmodSync(path, 0o755);
  const started = await serving(["-l", `${directory}/s`]);
  const other = Bun.spawn(
    [
      "setpriv",
      "--reuid",
      "65534",
      "--regid",
      "65534",
      "--clear-groups",
      "curl",
      "-sS",
      "-m",
      "5",
      "--unix-socket",
      `${directory}/s`,
      "http://x/health",
    ],
    { stdout: "pipe", stderr: "pipe" },
  );
  expect(await other.exited).not.toBe(0);
  expect(await new Response(other.stderr).text()).toContain("connect");
  await end(started);
});

test("web pages of other origins and of other names are refused", async () => {
  const { server, place } = await serving(["-l", "127.0.0.1:0", "--cors-origin", "https://good.example"]);
  const health = `${place}/health`;
  expect((await curl("-H", "Host: evil.example", health)).status).toBe(403);
  expect((await curl("-H", "Host: localhost.evil.example", health)).status).toBe(403);
  expect((await curl("-H", "Host: localhost:1", health)).status).toBe(200);
  expect((await curl("-H", "Origin: https://evil.example", health)).status).toBe(403);
  expect((await curl("-H", "Origin: null", health)).status).toBe(403);
  expect((await curl("-H", `Origin: ${place}`, health)).status).toBe(200);
  const good = ["-H", "Origin: https://good.example"];
  expect((await curl("-i", ...good, health)).body.toLowerCase()).toContain(
    "access-control-allow-origin: https://good.example",
  );
  const asks = await curl("-i", "-X", "OPTIONS", ...good, `${place}/api/v1/machines`);
  expect([asks.status, asks.body.toLowerCase()]).toEqual([
    204,
    expect.stringContaining("access-control-allow-methods: post, get, head"),
  ]);
  const upgrade = [
    "-H",
    "Connection: Upgrade",
    "-H",
    "Upgrade: websocket",
    "-H",
    "Sec-WebSocket-Version: 13",
    "-H",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  ];
  const socket = await curl(
    ...upgrade,
    "-H",
    "Origin: https://evil.example",
    `${place}/api/v1/machines/x/exec/interactive`,
  );
  expect(socket.status).toBe(403);
  await end({ server });
});

test("with a token everything but the health asks for it", async () => {
  const file = `${home.path}/token`;
  writeFileSync(file, `${TOKEN}\n`, { mode: 0o644 });
  chmodSync(file, 0o644);
  const start = (...words: string[]) => home.smolvm(["--error-format", "json", "serve", "start", ...words]);
  expect((await start("-l", "127.0.0.1:0", "--token-file", file)).stderr).toContain("serve.bad_token");
  chmodSync(file, 0o600);
  expect((await start("-l", "0.0.0.0:0")).stderr).toContain("serve.unguarded");
  expect((await start("-l", "nowhere")).exitCode).toBe(2);
  const started = await serving(["-l", "127.0.0.1:0", "--token-file", file]);
  const machines = `${started.place}/api/v1/machines`;
  expect((await curl(`${started.place}/health`)).status).toBe(200);
  expect((await curl(machines)).status).toBe(401);
  expect((await curl("-H", `Authorization: Bearer ${TOKEN}x`, machines)).status).toBe(401);
  expect((await curl("-H", `Authorization: Bearer ${TOKEN}`, machines)).status).toBe(200);
  expect(
    (await curl("-H", `Authorization: Bearer ${TOKEN}`, "-H", "Host: any.example", machines)).status,
  ).toBe(200);
  // A page asks first without the token, and then with it.
  const page = ["-H", "Origin: http://localhost:3000"];
  expect((await curl("-X", "OPTIONS", ...page, machines)).status).toBe(204);
  expect((await curl("-X", "OPTIONS", "-H", "Origin: https://evil.example", machines)).status).toBe(403);
  expect((await curl(...page, machines)).status).toBe(401);
  await end(started);
});

test("with certificates only those of the authority get in", async () => {
  const { path } = home;
  const made = await home.shell(
    [
      "set -e",
      `cd ${path}`,
      "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem 2>/dev/null",
      "for who in server client; do",
      "openssl req -newkey rsa:2048 -nodes -subj /CN=$who -keyout $who.key -out $who.csr 2>/dev/null",
      "printf 'subjectAltName=IP:127.0.0.1' > ext",
      "openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out $who.pem 2>/dev/null",
      "done",
      "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout other.key -out other.pem 2>/dev/null",
    ].join("\n"),
  );
  expect(made.exitCode).toBe(0);
  const half = await home.smolvm(["serve", "start", "-l", "127.0.0.1:0", "--tls-cert", `${path}/server.pem`]);
  expect(half.stderr).toContain("go together");
  const forced = await home.smolvm(["serve", "start"], { env: { SMOLVM_SERVE_REQUIRE_MTLS: "1" } });
  expect(forced.exitCode).toBe(1);
  const tls = [
    "--tls-cert",
    `${path}/server.pem`,
    "--tls-key",
    `${path}/server.key`,
    "--tls-client-ca",
    `${path}/ca.pem`,
  ];
  const started = await serving(["-l", "127.0.0.1:0", ...tls]);
  const ask = (...words: string[]) =>
    curl("--cacert", `${path}/ca.pem`, ...words, `${started.place}/api/v1/machines`);
  const as = (who: string) => ["--cert", `${path}/${who}.pem`, "--key", `${path}/${who}.key`];
  expect((await ask()).status).toBe(0);
  expect((await ask(...as("other"))).status).toBe(0);
  expect((await ask(...as("client"))).status).toBe(200);
  // By whatever name it is reached: a page that was led here has no certificate.
  expect((await ask(...as("client"), "-H", "Host: machines.example")).status).toBe(200);
  await end(started);
});

test("what systemd passes in is where it listens, for no page that was led there, and never as if it had certificates", async () => {
  const path = `${home.path}/run/activated.sock`;
  const script = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(path)}); s.listen(16)
os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.environ["LISTEN_FDS"] = "1"; os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], [sys.argv[1], "serve", "start", *sys.argv[2:]])`;
  const activated = (...words: string[]) =>
    Bun.spawn(["python3", "-c", script, program, ...words], {
      env: home.env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  const pem = `${home.path}/any.pem`;
  writeFileSync(pem, "");
  const guarded = activated("--tls-cert", pem, "--tls-key", pem, "--tls-client-ca", pem);
  expect(await new Response(guarded.stderr).text()).toContain("cannot have certificates");
  expect(await guarded.exited).toBe(1);
  rmSync(path);
  const child = activated();
  const server = new Talking(child);
  expect(await server.line()).toBe("smolvm API server listening on descriptor 3");
  expect((await curl("--unix-socket", path, "http://localhost/health")).status).toBe(200);
  expect((await curl("--unix-socket", path, "http://evil.example/health")).status).toBe(403);
  expect(await end({ server })).toBe(0);
  rmSync(path);
});

test("hostile requests get an answer or their end, and the server goes on", async () => {
  const api = await Api.start(home);
  const port = Number(new URL(api.url).port);
  const head = "Host: 127.0.0.1\r\n";
  const requests = [
    "\0\0\0\0\r\n\r\n",
    "GET",
    `GET /health HTTP/9.9\r\n${head}\r\n`,
    `GET /health HTTP/1.1\r\n${head}X: ${"a".repeat(200_000)}\r\n\r\n`,
    `GET /${"a/".repeat(50_000)} HTTP/1.1\r\n${head}\r\n`,
    `GET /api/v1/machines/%2e%2e/%2e%2e/etc HTTP/1.1\r\n${head}Connection: close\r\n\r\n`,
    `GET http://evil.example/health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`,
    `POST /api/v1/machines HTTP/1.1\r\n${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}`,
    `POST /api/v1/machines HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nfffffffffff\r\n`,
    `POST /api/v1/machines HTTP/1.1\r\n${head}Content-Length: -1\r\n\r\n`,
    `POST /api/v1/machines HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 99999999999999\r\nConnection: close\r\n\r\n{}`,
    `GET /api/v1/machines/a\u0000b HTTP/1.1\r\n${head}Connection: close\r\n\r\n`,
  ];
  for (const request of requests) {
    const answer = await raw(port, request);
    expect([request.slice(0, 60), /^HTTP\/1.1 [23]/.test(answer)]).toEqual([request.slice(0, 60), false]);
    expect((await fetch(`${api.url}/health`)).status).toBe(200);
  }
  for (const name of ["a%2fb", "-x", "a--b", "%00", "x".repeat(300), "__proto__", "constructor"])
    expect([
      name,
      [400, 404].includes((await api.call("GET", `/api/v1/machines/${name}/images`)).status),
    ]).toEqual([name, true]);
  const proto = await api.refusal("POST", "/api/v1/machines", {
    ...{
      body: '{"__proto__":{"name":"x"},"constructor":1}',
      headers: { "content-type": "application/json" },
    },
  });
  expect(proto.status).toBe(400);
  await api.stop();
});

test("five hundred half-open connections hold up nobody, and are closed in time", async () => {
  const api = await Api.start(home);
  const port = Number(new URL(api.url).port);
  const closed = Array.from({ length: 500 }, () => raw(port, "GET /health HTTP/1.1\r\nHo", true));
  for (let count = 0; count < 20; count++) expect((await fetch(`${api.url}/health`)).status).toBe(200);
  await Promise.all(closed);
  await api.stop();
}, 90_000);

test("a machine whose start never ends is given up, however long its command may take", async () => {
  const api = await Api.start(home, ["--request-timeout", "5s"]);
  const json = { name: "m", cpus: 1, memoryMb: 256, init: ["sleep 600"] };
  await api.ask("POST", "/api/v1/machines", { json });
  const command = { json: { command: ["true"], timeoutSecs: 500 } };
  expect(await api.refusal("POST", "/api/v1/machines/m/exec", command)).toMatchObject({ status: 408 });
  expect((await api.ask("GET", "/api/v1/machines/m")).state).not.toBe("running");
  await api.ask("DELETE", "/api/v1/machines/m");
  await api.stop();
});

test("a reader that never reads costs the server no memory", async () => {
  const api = await Api.start(home);
  const port = Number(new URL(api.url).port);
  await api.ask("POST", "/api/v1/machines", { json: { name: "m", cpus: 1, memoryMb: 256 } });
  const before = memoryOf(api.pid);
  const body = JSON.stringify({ command: ["sh", "-c", "cat /dev/zero"] });
  const socket = connect({ port, host: "127.0.0.1" });
  socket.pause();
  socket.write(
    `POST /api/v1/machines/m/exec/stream?encoding=base64 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await until("the command to run", async () => {
    const { processes } = await api
      .ask("GET", "/api/v1/machines/m/processes")
      .catch(() => ({ processes: undefined }));
    return processes !== undefined;
  });
  for (let count = 0; count < 30; count++) await api.ask("GET", "/api/v1/machines/m/stats");
  expect(memoryOf(api.pid) - before).toBeLessThan(80 * 1024 * 1024);
  socket.destroy();
  await api.ask("DELETE", "/api/v1/machines/m");
  await api.stop();
});

/** Bytes of a process that are its own. */
function memoryOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0) * 1024;
  return of("Private_Dirty") + of("Private_Clean");
}

test("a server that is told to end lets its requests end first, and streams at once", async () => {
  const api = await Api.start(home);
  await api.ask("POST", "/api/v1/machines", { json: { name: "m", cpus: 1, memoryMb: 256 } });
  await api.ask("POST", "/api/v1/machines/m/start");
  const slow = api.ask("POST", "/api/v1/machines/m/exec", {
    json: { command: ["sh", "-c", "sleep 2; echo done"] },
  });
  const follower = await api.call("GET", "/api/v1/machines/m/logs?follow=true");
  await api.ask("GET", "/api/v1/machines/m/stats");
  const stopping = api.stop();
  expect((await slow).stdout).toBe("done\n");
  expect(await follower.text()).not.toContain("error");
  await stopping;
  expect(await home.ok("status", "m")).toContain("running");
  await home.ok("delete", "-f", "m");
});
