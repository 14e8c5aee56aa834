import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { frame, MessageReader } from "../../../ssh-agent/framing.ts";
import { connectPipe, RealAgent } from "../../../ssh-agent/ssh-agent.fixture.ts";
import { encodeWire } from "../../../ssh-agent/wire.ts";
import type { Machine } from "../../client/connect.ts";
import type { MachineSpec } from "../../model/index.ts";
import { dataDirectory, machineDirectory } from "../../store/index.ts";
import { TestPlace } from "../host.fixture.ts";
import { connectUnix, listenUnix } from "./unix.ts";

let place: TestPlace;
let servers: Server[] = [];
beforeEach(() => {
  place = new TestPlace();
});
afterEach(async () => {
  for (const server of servers) server.close();
  servers = [];
  await place.remove();
});

/** A server on the host. */
async function serve(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}

const echo = (socket: Socket) => void socket.pipe(socket);

async function start(
  changes: Partial<MachineSpec>,
  lent = { secrets: [] as string[], sshAgent: null as string | null },
) {
  const order = { ...place.order(place.record("box") ?? place.create("box", changes)), lent };
  mkdirSync(inRoot("/srv"), { recursive: true });
  const machine = await place.start(order);
  await machine.report;
  return machine;
}

/** Runs the agent's busybox in the machine: its output. */
async function run(machine: Machine, script: string): Promise<string> {
  const process = machine.exec({ argv: ["/bin/sh", "-c", script], stdin: false });
  let output = "";
  for await (const chunk of process.stdout) output += Buffer.from(chunk);
  await process.result;
  return output;
}

/** What comes from a connection until its end. */
async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  socket.on("data", (chunk) => parts.push(chunk as Uint8Array));
  await new Promise<void>((resolve) => socket.once("end", resolve).once("close", () => resolve()));
  return Buffer.concat(parts);
}

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A path in the native guest's root, as the host has it. */
const inRoot = (path: string) => `${place.root("box")}${path}`;
const file = (name: string) => `${place.paths.config}-${name}`;

describe("a socket of the host in the machine", () => {
  const mounted = () => ({ mountSockets: [{ host: file("host.sock"), guest: "/srv/deep/guest.sock" }] });
  // The native guest's root is a directory here, so its sockets can be connected to from here.
  const enter = () => connect({ path: inRoot("/srv/deep/guest.sock"), allowHalfOpen: true });

  test("carries bytes both ways, each direction to its own end", async () => {
    await serve(file("host.sock"), async (socket) => {
      const question = await readAll(socket);
      // Half-closed: the answer still goes.
      socket.end(`answer to ${question}`);
    });
    await start(mounted());
    expect(statSync(inRoot("/srv/deep/guest.sock")).mode & 0o777).toBe(0o666);
    const client = enter();
    client.end("question");
    expect(`${await readAll(client)}`).toBe("answer to question");
  });

  test("carries 8 MiB each way at once, and a hundred connections with their own bytes", async () => {
    await serve(file("host.sock"), echo);
    await start(mounted());
    const bytes = randomBytes(8 << 20);
    const client = enter();
    client.end(bytes);
    expect(hash(await readAll(client))).toBe(hash(bytes));
    const answers = Array.from({ length: 100 }, async (_, i) => {
      const one = enter();
      one.end(`client ${i}`);
      return `${await readAll(one)}`;
    });
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 100 }, (_, i) => `client ${i}`));
  }, 60_000);

  test("holds up a guest whose host does not read, and nobody else", async () => {
    await serve(file("host.sock"), (socket) => void socket.pause());
    await start(mounted());
    const client = enter();
    let sent = 0;
    const chunk = Buffer.alloc(1 << 16);
    await new Promise<void>((resolve) => {
      const more = () => {
        while (sent < 64 << 20) {
          sent += chunk.length;
          if (!client.write(chunk)) return void setTimeout(resolve, 500);
        }
        resolve();
      };
      client.on("drain", more);
      more();
    });
    expect(sent).toBeLessThan(8 << 20);
    const machine = await place.connect("box");
    expect(await run(machine, "echo on")).toBe("on\n");
    machine.close();
    client.destroy();
  }, 30_000);

  test("ends at once where nobody listens, works as soon as somebody does, and ends with them", async () => {
    await start(mounted());
    expect(`${await readAll(enter())}`).toBe("");
    const accepted = Promise.withResolvers<Socket>();
    await serve(file("host.sock"), (socket) => {
      socket.write("hello");
      accepted.resolve(socket);
    });
    const client = enter();
    const first = await new Promise((resolve) => client.once("data", (data) => resolve(`${data}`)));
    expect(first).toBe("hello");
    (await accepted.promise).destroy();
    expect(`${await readAll(client)}`).toBe("");
  });

  test("is there again when the machine has been started again, also over what it has left", async () => {
    await serve(file("host.sock"), echo);
    const first = await start({
      ...mounted(),
      restart: { policy: "always", maxRetries: 0, maxBackoffMs: 1000 },
    });
    const machine = await place.connect("box");
    const watching = machine.open({ method: "supervise", params: {} });
    const restarted = new Promise<void>((resolve) => {
      watching.onEvent = (event) => void ((event as { type: string }).type === "started" && resolve());
    });
    await watching.accepted;
    first.pullThePlug();
    await restarted;
    machine.close();
    const client = enter();
    client.end("once more");
    expect(`${await readAll(client)}`).toBe("once more");
  }, 30_000);

  test("that cannot be made in the machine fails the start", async () => {
    const record = place.create("box", { mountSockets: [{ host: file("host.sock"), guest: "/bin/sh/x" }] });
    const { report } = await place.start(place.order(record));
    await expect(report).rejects.toMatchObject({ code: "socket.guest" });
  });
});

describe("a socket of the machine on the host", () => {
  const exposed = (host: string | null = null) => ({ exposeSockets: [{ guest: "/srv/app.sock", host }] });
  const standard = () => `${dataDirectory(place.paths, "box")}/app.sock`;

  test("is in the machine's directory, for its user alone, and gone with the machine", async () => {
    const { host } = await start(exposed());
    await serve(inRoot("/srv/app.sock"), echo);
    expect(statSync(standard()).mode & 0o777).toBe(0o600);
    const client = await connectUnix(standard());
    client.end("there and back");
    expect(`${await readAll(client)}`).toBe("there and back");
    await host.end("gracefully");
    expect(existsSync(standard())).toBe(false);
  });

  test("ends a connection at once while nobody listens in the machine", async () => {
    await start(exposed(file("app.sock")));
    expect(`${await readAll(await connectUnix(file("app.sock")))}`).toBe("");
  });

  test("never takes the place of anything that is not its own", async () => {
    for (const make of [
      async () => writeFileSync(file("taken"), "mine"),
      async () => void (await serve(file("taken"), echo)),
    ]) {
      await make();
      const record = place.record("box") ?? place.create("box", exposed(file("taken")));
      const { report, host } = await place.start(place.order(record));
      await expect(report).rejects.toMatchObject({ code: "socket.exists" });
      await host.ended;
      expect(existsSync(file("taken"))).toBe(true);
      rmSync(file("taken"));
    }
  });

  test("that a killed process has left is replaced by the next start, and removed with the machine", async () => {
    const first = await start(exposed(file("app.sock")));
    const list = readFileSync(`${machineDirectory(place.paths, "box")}/sockets.json`, "utf8");
    await first.host.end("gracefully");
    // As if it had been killed: the socket and what it wrote about it are still there.
    const left = await listenUnix(file("app.sock"), () => {});
    const [entry] = JSON.parse(list);
    writeFileSync(
      `${machineDirectory(place.paths, "box")}/sockets.json`,
      JSON.stringify([{ ...entry, ...left.socket }]),
    );
    const second = await start(exposed(file("app.sock")));
    await serve(inRoot("/srv/app.sock"), echo);
    const client = await connectUnix(file("app.sock"));
    client.end("new");
    expect(`${await readAll(client)}`).toBe("new");
    await second.host.end("gracefully");
    expect(existsSync(file("app.sock"))).toBe(false);
    left.close();
  });
});

describe("a lent SSH agent", () => {
  const agent = new RealAgent();
  beforeAll(() => agent.start());
  afterAll(() => agent.stop());

  test("answers in the machine, with the allowed keys only, and its uses are in a log", async () => {
    const keys = [agent.fingerprint("one")];
    const lent = { secrets: [], sshAgent: agent.socket };
    const { host } = await start({ sshAgent: true, sshAgentKeys: keys }, lent);
    const socket = inRoot("/tmp/ssh-agent.sock");
    expect(statSync(socket).mode & 0o777).toBe(0o666);
    const { output } = await agent.runBeside(["ssh-add", "-l"], socket);
    expect(output).toContain(agent.fingerprint("one"));
    expect(output.trim().split("\n")).toHaveLength(1);
    writeFileSync(agent.file("letter"), "to be signed");
    const sign = (name: string) =>
      agent.runBeside(
        [
          "ssh-keygen",
          "-q",
          "-Y",
          "sign",
          "-n",
          "git",
          "-f",
          `${agent.file(name)}.pub`,
          agent.file("letter"),
        ],
        socket,
      );
    expect((await sign("one")).exitCode).toBe(0);
    rmSync(agent.file("letter.sig"));
    // Programs do not ask for what they have not seen; somebody else may.
    const pipe = await connectPipe(socket);
    await pipe.write(frame(encodeWire([{ byte: 13 }, agent.blob("two"), "data", { uint32: 0 }])));
    expect([...(await new MessageReader(pipe.read()).next())]).toEqual([5]);
    pipe.close();
    const machine = await place.connect("box");
    expect(await run(machine, "echo $SSH_AUTH_SOCK")).toBe("/tmp/ssh-agent.sock\n");
    machine.close();
    await host.end("gracefully");
    const log = readFileSync(`${dataDirectory(place.paths, "box")}/logs/ssh-agent.log`, "utf8");
    const lines = log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      {
        level: "info",
        message: `signed with ${keys[0]} (comment of one): a message of the namespace "git"`,
      },
      {
        level: "warn",
        message: `refused to sign with ${agent.fingerprint("two")}: unknown data`,
      },
    ]);
  }, 30_000);

  test("is not there unless it is lent", async () => {
    await start({});
    expect(existsSync(inRoot("/tmp/ssh-agent.sock"))).toBe(false);
    const machine = await place.connect("box");
    expect(await run(machine, "echo $SSH_AUTH_SOCK")).toBe("\n");
    machine.close();
  });
});

test("what is lent as secrets is around init commands and workload, above the record, and in no file", async () => {
  const record = place.create("box", {
    env: ["TOKEN=record", "PLAIN=record"],
    init: ["echo init $TOKEN $PLAIN"],
    cmd: ["/bin/sh", "-c", "echo workload $TOKEN; sleep 60"],
  });
  const lent = { secrets: ["TOKEN=canary-1842"], sshAgent: null };
  const machine = await place.start({ ...place.order(record), lent });
  await machine.report;
  expect(machine.output.join("")).toContain("init canary-1842 record\n");
  const client = await place.connect("box");
  // Clients bring their own.
  expect(await run(client, "echo $TOKEN")).toBe("record\n");
  client.close();
  const grep = Bun.spawnSync(["grep", "-rl", "canary-1842", place.paths.data, place.paths.runtime]);
  // What the workload itself prints is its log.
  expect(`${grep.stdout}`.trim().replace(/.*\//, "")).toBe("workload.log");
});
