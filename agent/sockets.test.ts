import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { statSync, symlinkSync } from "node:fs";
import { createServer, type Socket as NetSocket, connect as netConnect } from "node:net";
import { Guest, type GuestListener, type GuestSocket, type ListenAddress } from "../src/guest/index.ts";
import { crowd, output, startAgent, startGuest, type TestGuest } from "./testing/index.ts";

let it: TestGuest;
beforeAll(async () => {
  it = await startGuest();
}, 120_000);
afterAll(() => it.stop());

const ENOENT = 2;
const EMFILE = 24;
const EADDRINUSE = 98;
const ECONNREFUSED = 111;

async function readAll(socket: GuestSocket): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of socket.read()) parts.push(chunk);
  return Buffer.concat(parts);
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => "none",
    ({ code, errno }) => ({ code, errno }),
  );

/** A listener in the guest, and the connections that come to it, in order. */
async function listen(address: ListenAddress): Promise<{ listener: GuestListener; next(): Promise<number> }> {
  const came: number[] = [];
  let wake = () => {};
  const listener = it.guest.listen(address, (connection) => {
    came.push(connection);
    wake();
  });
  await listener.listening;
  return {
    listener,
    async next() {
      while (came.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return came.shift() as number;
    },
  };
}

const unix = (name: string) => ({ root: "main", path: `/run/${name}` });
beforeAll(() => output(it.guest, "mkdir -p /run"));

describe("a Unix socket of a root", () => {
  test("listens with the mode and owner asked for, and carries bytes both ways", async () => {
    const { listener, next } = await listen({ ...unix("both"), mode: 0o620, uid: 7, gid: 8 });
    const info = statSync(`${it.root}/run/both`);
    expect([info.isSocket(), info.mode & 0o777, info.uid, info.gid]).toEqual([true, 0o620, 7, 8]);

    const client = it.guest.connect(unix("both"));
    const server = it.guest.take(await next());
    await Promise.all([client.connected, server.connected]);
    await client.write(Buffer.from("question"));
    client.end();
    expect((await readAll(server)).toString()).toBe("question");
    // Half-closed: the answer still comes.
    await server.write(Buffer.from("answer"));
    server.end();
    expect((await readAll(client)).toString()).toBe("answer");
    await Promise.all([client.ended, server.ended]);
    listener.cancel();
    await listener.ended;
  });

  test("carries 20 MiB each way at once, byte for byte", async () => {
    const { listener, next } = await listen(unix("large"));
    const client = it.guest.connect(unix("large"));
    const server = it.guest.take(await next());
    const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    const send = async (socket: GuestSocket, bytes: Uint8Array) => {
      await socket.write(bytes);
      socket.end();
    };
    const [there, back] = [randomBytes(20 << 20), randomBytes(20 << 20)];
    const [, , gotThere, gotBack] = await Promise.all([
      send(client, there),
      send(server, back),
      readAll(server),
      readAll(client),
    ]);
    expect([hash(gotThere), hash(gotBack)]).toEqual([hash(there), hash(back)]);
    listener.cancel();
  }, 60_000);

  test("that nobody reads holds up itself and nobody else", async () => {
    const { listener, next } = await listen(unix("deaf"));
    const client = it.guest.connect(unix("deaf"));
    const server = it.guest.take(await next());
    await server.connected;
    let written = 0;
    void (async () => {
      for (let i = 0; i < 1000; i++, written += 1 << 16) await client.write(new Uint8Array(1 << 16));
    })();
    for (let i = 0; i < 100; i++) expect(await output(it.guest, "echo on")).toBe("on\n");
    expect(written).toBeLessThan(4 << 20);
    client.cancel();
    await client.ended;
    server.cancel();
    await server.ended;
    listener.cancel();
  }, 30_000);

  test("that accepts nobody any more can be given up", async () => {
    const { listener, next } = await listen(unix("busy"));
    // 64 wait to be taken, 129 in the kernel's queue; the rest would block for ever.
    const clients = Array.from({ length: 220 }, () => it.guest.connect(unix("busy")));
    for (let i = 0; i < 64; i++) await next();
    for (const client of clients) client.cancel();
    const ends = await Promise.all(clients.map(({ ended }) => failure(ended)));
    expect(ends.length).toBe(220);
    listener.cancel();
    await listener.ended;
  }, 30_000);

  test("that cannot be connected to says why", async () => {
    expect(await failure(it.guest.connect(unix("none")).connected)).toEqual({
      code: "connect.failed",
      errno: ENOENT,
    });
    expect(await failure(it.guest.connect({ root: "main", path: "/etc/passwd" }).connected)).toEqual({
      code: "connect.failed",
      errno: ECONNREFUSED,
    });
    for (const path of ["relative", "", `/${"x".repeat(200)}`])
      expect(await failure(it.guest.connect({ root: "main", path }).connected)).toMatchObject({
        code: "agent.bad_request",
      });
    expect(await failure(it.guest.connect({ root: "none", path: "/x" }).connected)).toMatchObject({
      code: "agent.bad_request",
    });
  });

  test("is found within the root only, whatever links say", async () => {
    // From here the path exists; for the root it leads to a place of its own, which does not.
    symlinkSync(`${"../".repeat(20)}${it.root}/run`, `${it.root}/escape`);
    const { listener } = await listen(unix("inside"));
    expect(await failure(it.guest.connect({ root: "main", path: "/escape/inside" }).connected)).toEqual({
      code: "connect.failed",
      errno: ENOENT,
    });
    listener.cancel();
  });

  test("is taken once per path; a connection once, and only one that came", async () => {
    const { listener, next } = await listen(unix("once"));
    expect(await failure(it.guest.listen(unix("once"), () => {}).listening)).toEqual({
      code: "listen.failed",
      errno: EADDRINUSE,
    });
    const client = it.guest.connect(unix("once"));
    const number = await next();
    const server = it.guest.take(number);
    await server.connected;
    for (const other of [number, number + 1, 0])
      expect(await failure(it.guest.take(other).connected)).toMatchObject({ code: "agent.bad_request" });
    client.cancel();
    server.cancel();
    listener.cancel();
  });

  test("takes the place of a socket that was left, if it is asked to, and of nothing else", async () => {
    const first = await listen(unix("left"));
    first.listener.cancel();
    await first.listener.ended;
    const again = (name: string, replace?: boolean) => failure(listen({ ...unix(name), replace }));
    expect(await again("left")).toEqual({ code: "listen.failed", errno: EADDRINUSE });
    expect(await again("left", true)).toBe("none");
    await output(it.guest, "echo mine >/run/file; ln -s /run/file /run/link");
    for (const name of ["file", "link"])
      expect(await again(name, true)).toEqual({ code: "listen.failed", errno: EADDRINUSE });
    expect(await output(it.guest, "cat /run/file")).toBe("mine\n");
  });

  test("ends with its listener the connections that nobody took, and those alone", async () => {
    const { listener, next } = await listen(unix("ends"));
    const taken = it.guest.connect(unix("ends"));
    const server = it.guest.take(await next());
    await server.connected;
    const left = it.guest.connect(unix("ends"));
    await next();
    listener.cancel();
    await listener.ended;
    left.end();
    expect((await readAll(left)).length).toBe(0);
    await left.ended;
    await taken.write(Buffer.from("still"));
    taken.end();
    expect((await readAll(server)).toString()).toBe("still");
    server.cancel();
  });

  test("serves a hundred connections at once, each with its own bytes", async () => {
    const { listener, next } = await listen(unix("many"));
    const clients = Array.from({ length: 100 }, async (_, i) => {
      const client = it.guest.connect(unix("many"));
      await client.write(Buffer.from(`client ${i}`));
      client.end();
      return (await readAll(client)).toString();
    });
    const seen = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const server = it.guest.take(await next());
      const text = (await readAll(server)).toString();
      seen.add(text);
      await server.write(Buffer.from(`echo of ${text}`));
      server.end();
    }
    expect(seen.size).toBe(100);
    expect(await Promise.all(clients)).toEqual(Array.from({ length: 100 }, (_, i) => `echo of client ${i}`));
    listener.cancel();
  }, 30_000);
});

describe("TCP", () => {
  test("connects to a port of the guest, which has this machine's network here", async () => {
    for (const address of ["127.0.0.1", "::1"]) {
      const server = createServer((socket: NetSocket) => socket.pipe(socket));
      await new Promise<void>((resolve) => server.listen(0, address, resolve));
      const { port } = server.address() as { port: number };
      const client = it.guest.connect({ root: "main", port, address });
      await client.write(Buffer.from("there and back"));
      client.end();
      expect((await readAll(client)).toString()).toBe("there and back");
      await client.ended;
      await new Promise((resolve) => server.close(resolve));
      expect(await failure(it.guest.connect({ root: "main", port, address }).connected)).toEqual({
        code: "connect.failed",
        errno: ECONNREFUSED,
      });
    }
  });

  test("listens, and refuses addresses that are none", async () => {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
    const { port } = probe.address() as { port: number };
    expect(await failure(it.guest.listen({ root: "main", port }, () => {}).listening)).toEqual({
      code: "listen.failed",
      errno: EADDRINUSE,
    });
    await new Promise((resolve) => probe.close(resolve));
    const { listener, next } = await listen({ root: "main", port });
    const socket = netConnect(port, "127.0.0.1");
    const server = it.guest.take(await next());
    await server.write(Buffer.from("hello"));
    server.end();
    const text = await new Promise<string>((resolve) =>
      socket.once("data", (data) => resolve(data.toString())),
    );
    expect(text).toBe("hello");
    socket.end();
    await server.ended;
    listener.cancel();
    for (const address of ["localhost", "1.2.3", "", "127.0.0.1 "])
      expect(await failure(it.guest.connect({ root: "main", port, address }).connected)).toMatchObject({
        code: "agent.bad_request",
      });
  });
});

test("a port is free again with its listener, whatever else the agent was doing when it began to listen", async () => {
  const path = "/run/crowded";
  const busy = it.guest.listen({ root: "main", path }, () => {});
  await busy.listening;
  const full = await crowd(it.guest, { root: "main", path });
  const port = 20_000 + (process.pid % 10_000);
  const before = it.guest.listen({ port }, () => {});
  const waiting = Array.from({ length: 20 }, () => it.guest.connect({ root: "main", path }));
  await before.listening;
  before.cancel();
  await before.ended;
  // The youngest process of the agent's may not have come to close what it has inherited.
  let after = it.guest.listen({ port }, () => {});
  for (let i = 0; i < 500 && (await failure(after.listening)) !== "none"; i++)
    after = it.guest.listen({ port }, () => {});
  expect(await failure(after.listening)).toBe("none");
  for (const one of [after, busy, ...full, ...waiting]) one.cancel();
  await Promise.all([after.ended, busy.ended]);
}, 60_000);

test("connections beyond the agent's descriptors fail, and it goes on", async () => {
  const agent = await startAgent({ descriptors: { soft: 40, hard: 40 } });
  const guest = new Guest(agent.transport);
  const server = createServer((socket) => socket.on("error", () => {}));
  try {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    for (let round = 0; round < 3; round++) {
      const sockets = Array.from({ length: 60 }, () => guest.connect({ port }));
      const ends = await Promise.all(sockets.map(({ connected }) => failure(connected)));
      expect(ends).toContain("none");
      expect(ends).toContainEqual({ code: "connect.failed", errno: EMFILE });
      for (const one of sockets) one.cancel();
      await Promise.all(sockets.map(({ ended }) => failure(ended)));
    }
  } finally {
    server.close();
    guest.close();
    await agent.stop();
  }
}, 60_000);
