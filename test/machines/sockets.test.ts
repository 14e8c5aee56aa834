import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { slowness } from "../support/program.ts";

const home = useMachines();
/** Files of these tests: not part of what has to be gone with the machines. */
const own = mkdtempSync("/tmp/sv-own-");
afterAll(() => rmSync(own, { recursive: true, force: true }));

const LIMIT = 240_000 * slowness;

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

async function serve(path: string, onConnection: (socket: Socket) => void): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    onConnection(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  socket.on("data", (chunk) => parts.push(chunk as Uint8Array)).on("error", () => {});
  await new Promise<void>((resolve) => socket.once("end", resolve).once("close", () => resolve()));
  return Buffer.concat(parts);
}

/** Asks what listens at a socket of the host. */
async function ask(path: string, question: string): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.end(question);
  return `${await readAll(socket)}`;
}

/** A static program that answers each connection to a socket with what it hears. */
function echoServer(): Buffer {
  writeFileSync(
    `${own}/echo.c`,
    `#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int all = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(at.sun_path, argv[argc - 1]);
    unlink(at.sun_path);
    if (bind(all, (struct sockaddr *)&at, sizeof at) < 0 || listen(all, 64) < 0) return 1;
    for (;;) {
        int one = accept(all, 0, 0);
        char bytes[65536];
        if (fork() != 0) { close(one); continue; }
        for (ssize_t got; (got = read(one, bytes, sizeof bytes)) > 0;)
            for (ssize_t put = 0; put < got;) put += write(one, bytes + put, got - put);
        return 0;
    }
}
`,
  );
  const { exitCode } = Bun.spawnSync(["cc", "-static", "-Os", "-o", `${own}/echo`, `${own}/echo.c`]);
  if (exitCode !== 0) throw new Error("cc has not made the server");
  return readFileSync(`${own}/echo`);
}

const shell = (script: string) => ["--", "sh", "-c", script];

describe("a socket of the host in a machine", () => {
  test(
    "carries bytes both ways to each end, many at once, and is there again after a restart",
    async () => {
      const path = `${own}/echo.sock`;
      await serve(path, (socket) => void socket.pipe(socket));
      await home.create(
        "in",
        "--mount-socket",
        `${path}:/srv/a/echo.sock`,
        "--user",
        "1000",
        ...shell("sleep 3600"),
      );
      await home.ok("start", "in");
      const question = (text: string) => `printf '${text}' | nc local:/srv/a/echo.sock`;
      expect(await home.sh("in", question("hello"))).toBe("hello");
      const each = 'printf "$i" | nc local:/srv/a/echo.sock >/tmp/$i';
      const right = 'for i in $(seq 20); do test "$(cat /tmp/$i)" = "$i" || echo wrong $i; done; echo all';
      expect(await home.sh("in", `for i in $(seq 20); do (${each}) & done; wait; ${right}`)).toBe("all\n");
      const megabytes =
        "head -c 4000000 /dev/urandom >/tmp/x; nc local:/srv/a/echo.sock </tmp/x | cmp - /tmp/x && echo same";
      expect(await home.sh("in", megabytes)).toBe("same\n");
      // A connection that is open does not keep its disks from being unmounted.
      await home.ok("exec", "-d", "--name", "in", ...shell("sleep 1000 | nc local:/srv/a/echo.sock"));
      await home.ok("stop", "in");
      const again = await home.machine(["start", "in"]);
      expect([again.exitCode, again.stderr]).toEqual([0, ""]);
      expect(await home.sh("in", question("again"))).toBe("again");
      for (const server of servers.splice(0)) server.close();
      expect(await home.sh("in", `${question("nobody")} 2>/dev/null; true`)).toBe("");
      await home.ok("delete", "-f", "in");
    },
    LIMIT,
  );
});

describe("a socket of a machine on the host", () => {
  test(
    "is the user's alone, works while the machine runs, and is gone with it, however that ends",
    async () => {
      const named = `${own}/out.sock`;
      const sockets = ["--expose-socket", "/run/one.sock", "--expose-socket", `/run/two.sock:${named}`];
      const wait = "while [ ! -x /root/serve ]; do sleep 0.1; done; exec /root/serve /run/one.sock";
      await home.create("out", ...sockets, ...shell(wait));
      await home.ok("start", "out");
      const standard = `${home.directoryOf("out")}/data/one.sock`;
      expect([standard, named].map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600]);
      const install =
        "cat >/root/new; chmod +x /root/new; mv /root/new /root/serve; until [ -S /run/one.sock ]; do sleep 0.1; done";
      const installed = await home.machine(["exec", "-i", "--name", "out", ...shell(install)], {
        stdin: echoServer(),
      });
      expect(installed.exitCode).toBe(0);
      expect(await ask(standard, "from the host")).toBe("from the host");
      const large = "x".repeat(3_000_000);
      const answers = await Promise.all(
        [large, ...Array.from({ length: 30 }, (_, i) => `${i}`)].map((text) => ask(standard, text)),
      );
      expect(answers.map(({ length }) => length)).toEqual(
        [large, ...Array.from({ length: 30 }, (_, i) => `${i}`)].map(({ length }) => length),
      );
      expect(await ask(named, "nobody listens")).toBe("");
      // Killed, its process leaves them; the next start takes their place.
      process.kill((await home.state("out")).pid as number, "SIGKILL");
      await until("its end", async () => (await home.state("out")).pid === null);
      expect(existsSync(named)).toBe(true);
      await home.ok("start", "out");
      await home.ok("stop", "out");
      expect([standard, named].map(existsSync)).toEqual([false, false]);
      writeFileSync(named, "mine");
      expect(await home.refusal("start", "out")).toMatchObject({ code: "socket.exists" });
      expect(statSync(named).size).toBe(4);
      await home.ok("update", "out", "--remove-socket", "/run/two.sock");
      await home.ok("start", "out");
      await home.ok("delete", "-f", "out");
    },
    LIMIT,
  );
});

test("paths that cannot be are refused, and nothing is made", async () => {
  for (const words of [
    ["--mount-socket", "/h:/g", "--mount-socket", "/i:/g"],
    ["--mount-socket", "/h:/g", "--expose-socket", "/g"],
    ["--mount-socket", "/h:relative"],
    ["--mount-socket", "/h;x:/g"],
    ["--mount-socket", "/h:/g|x"],
    ["--mount-socket", ":/g"],
    ["--mount-socket", "/h:"],
    ["--mount-socket", "/h"],
    ["--mount-socket", `/h:/${"g".repeat(107)}`],
    ["--expose-socket", "relative"],
    ["--expose-socket", "/g:"],
    ["--mount-socket", "/h:/tmp/ssh-agent.sock", "--ssh-agent"],
    ...[Array.from({ length: 65 }, (_, i) => [`--mount-socket`, `/h:/g${i}`]).flat()],
  ]) {
    const { code } = await home.refusal("create", "bad", ...words);
    expect([words, code]).toEqual([words, expect.stringMatching(/^(cli\.bad_value|machine\.bad_setting)$/)]);
  }
  expect(await home.names()).not.toContain("bad");
});

test(
  "machine run has both kinds, and leaves neither",
  async () => {
    const path = `${own}/once.sock`;
    await serve(path, (socket) => socket.end("of the host\n"));
    const out = `${own}/shown.sock`;
    const options = ["--mount-socket", `${path}:/run/h.sock`, "--expose-socket", `/run/g.sock:${out}`];
    const { output } = await home.run(["sh", "-c", "nc local:/run/h.sock </dev/null"], { options });
    expect(output).toBe("of the host\n");
    expect(existsSync(out)).toBe(false);
    for (const server of servers.splice(0)) server.close();
  },
  LIMIT,
);

test("docker env names the socket of the machine's engine on this host, quoted for the shell", async () => {
  const env = async (...words: string[]) => (await home.smolvm(["docker", "env", ...words])).output;
  await home.create("plain");
  await home.create("inside", "--expose-socket", "/var/run/docker.sock");
  await home.create("chosen", "--expose-socket", `/run/docker.sock:${own}/it's here.sock`);
  const directory = (await home.ok("data-dir", "inside")).trim();
  expect(await env("inside")).toBe(`export DOCKER_HOST=unix://${directory}/docker.sock\n`);
  const chosen = `unix://${own}/it's here.sock`;
  expect(JSON.parse(await env("chosen", "--json"))).toEqual({ name: "chosen", docker_host: chosen });
  const read = Bun.spawnSync(["sh", "-c", `${await env("chosen")} printf %s "$DOCKER_HOST"`]);
  expect(read.stdout.toString()).toBe(chosen);
  const { exitCode, stderr } = await home.smolvm(["--error-format", "json", "docker", "env", "plain"]);
  expect([exitCode, JSON.parse(stderr).error.code]).toEqual([1, "docker.not_exposed"]);
  for (const name of ["plain", "inside", "chosen"]) await home.ok("delete", "-f", name);
});
