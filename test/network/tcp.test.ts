import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { Talking, until } from "../support/process.ts";
import { Wire, type WireOptions } from "./namespace.ts";

setDefaultTimeout(120_000);

/** A server of the host's, by node's sockets: the stack uses Bun's. */
async function serve(onConnection: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { server, port: typeof address === "object" ? (address?.port ?? 0) : 0 };
}

/** What all programs inside begin with. */
const PRELUDE = `
import { connect } from "node:net";
import { createHash } from "node:crypto";
const words = process.argv.slice(1);
const open = (port, host = "100.96.0.1") => new Promise((resolve, reject) => {
  const socket = connect({ port: Number(port), host, allowHalfOpen: true }, () => resolve(socket));
  socket.on("error", reject);
});
const all = (socket) => new Promise((resolve, reject) => {
  const parts = [];
  socket.on("data", (part) => parts.push(part));
  socket.on("end", () => resolve(Buffer.concat(parts)));
  socket.on("error", reject);
});
`;

/** Sends so many bytes whose content depends on the place, and says what it got, as a hash. */
const EXCHANGE = `${PRELUDE}
const [port, bytes] = words.map(Number);
const socket = await open(port);
const block = Buffer.alloc(251 * 997);
for (let i = 0; i < block.length; i++) block[i] = i % 251;
const hash = createHash("sha256");
let got = 0;
// Not "for await": its end destroys the socket, also when there is still something to send.
socket.on("data", (part) => { hash.update(part); got += part.length; });
const reading = new Promise((resolve) => socket.on("end", resolve));
for (let sent = 0; sent < bytes; ) {
  const part = block.subarray(0, Math.min(block.length, bytes - sent));
  sent += part.length;
  if (!socket.write(part)) await new Promise((resolve) => socket.once("drain", resolve));
}
socket.end();
await reading;
console.log(got, hash.digest("hex"));
`;

/** The other side of the same. */
async function exchange(wire: Wire, bytes: number): Promise<void> {
  const block = Buffer.alloc(251 * 997);
  for (let i = 0; i < block.length; i++) block[i] = i % 251;
  const expected = new Bun.CryptoHasher("sha256");
  for (let done = 0; done < bytes; done += block.length)
    expected.update(block.subarray(0, Math.min(block.length, bytes - done)));
  const digest = expected.digest("hex");
  const received = new Bun.CryptoHasher("sha256");
  let got = 0;
  const { server, port } = await serve((socket) => {
    socket.on("data", (part) => {
      received.update(part);
      got += part.length;
    });
    let sent = 0;
    const more = () => {
      while (sent < bytes) {
        const part = block.subarray(0, Math.min(block.length, bytes - sent));
        sent += part.length;
        if (!socket.write(part)) return;
      }
      socket.end();
    };
    socket.on("drain", more);
    more();
  });
  try {
    expect(await wire.run(EXCHANGE, port, bytes)).toBe(`${bytes} ${digest}`);
    await until("the last byte is here", () => got === bytes, 90);
    expect(received.digest("hex")).toBe(digest);
  } finally {
    server.close();
  }
}

describe("bytes arrive as they were sent, both ways at once", () => {
  const cases: [string, number, WireOptions][] = [
    ["in frames of 64 KiB", 100e6, {}],
    ["in frames of 1500 bytes", 20e6, { mtu: 1500 }],
    ["in frames of 577 bytes, an odd number", 3e6, { mtu: 577 }],
    ["when one frame in a hundred is lost", 20e6, { mtu: 9000, loss: 10 }],
    ["when frames overtake each other", 20e6, { mtu: 9000, reorder: 50 }],
    // Little: after some losses in a row, the guest's kernel waits ten seconds before it tries again.
    ["when one frame in twenty is lost, and others overtake", 100e3, { mtu: 1500, loss: 50, reorder: 50 }],
  ];
  for (const [name, bytes, options] of cases)
    test(name, async () => {
      const wire = await Wire.open(options);
      try {
        await exchange(wire, bytes);
      } finally {
        await wire.close();
      }
    });
});

test("bytes arrive as they were sent while the guest changes its MTU", async () => {
  const wire = await Wire.open();
  try {
    let over = false;
    const exchanged = exchange(wire, 200e6).finally(() => {
      over = true;
    });
    const resize = 'Bun.spawnSync(["ip", "link", "set", "eth0", "mtu", process.argv[1]]);';
    for (let turn = 0; !over; turn++) await wire.run(resize, [1500, 9001, 65_520][turn % 3] ?? 0);
    await exchanged;
  } finally {
    await wire.close();
  }
});

describe("a connection's beginning and end", () => {
  let wire: Wire;
  beforeAll(async () => {
    wire = await Wire.open({
      inspect: (_, bytes, ended) =>
        bytes.includes(10) || ended
          ? Buffer.from(bytes).includes("bad")
            ? { allow: false, how: "refuse", rule: "bad" }
            : "pass"
          : "more",
      decide: ({ destination: { address, port } }) =>
        address === "100.96.0.1"
          ? { allow: true, target: { address: "127.0.0.1", port }, rule: "host", inspect: port === inspected }
          : { allow: false, how: address === "192.0.2.9" ? "drop" : "refuse", rule: "test" },
    });
  });
  let inspected = 0;
  afterAll(async () => await wire.close());

  test("the guest ends its side first, and gets an answer still", async () => {
    const { server, port } = await serve((socket) => {
      let got = 0;
      socket.on("data", (part) => {
        got += part.length;
      });
      socket.on("end", () => socket.end(`got ${got}`));
    });
    const code = `${PRELUDE} const s = await open(words[0]); s.end("0123456789"); console.log((await all(s)).toString());`;
    expect(await wire.run(code, port)).toBe("got 10");
    await until("the flow is over", () =>
      wire.ended.some(({ end }) => end.sent === 10 && end.received === 6 && end.how === "closed"),
    );
    server.close();
  });

  test("the host ends its side first, and gets what the guest has to say still", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { server, port } = await serve((socket) => {
      const parts: Buffer[] = [];
      socket.on("data", (part: Buffer) => void parts.push(part));
      socket.on("end", () => resolve(Buffer.concat(parts).toString()));
      socket.end("first");
    });
    const code = `${PRELUDE} const s = await open(words[0]); console.log((await all(s)).toString()); s.end("after");`;
    expect(await wire.run(code, port)).toBe("first");
    expect(await promise).toBe("after");
    server.close();
  });

  test("the host's reset is the guest's, behind what was sent before it", async () => {
    const { server, port } = await serve((socket) => {
      socket.on("data", () => socket.resetAndDestroy());
    });
    const code = `${PRELUDE} const s = await open(words[0]); s.write("x");
      console.log(await all(s).then(() => "ended", (error) => error.code));`;
    expect(await wire.run(code, port)).toBe("ECONNRESET");
    server.close();
  });

  test("the guest's reset is the host's", async () => {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const { server, port } = await serve((socket) => {
      socket.on("error", (error) => resolve((error as { code?: string }).code));
      socket.on("end", () => resolve("ended"));
      socket.write("hello");
      socket.resume();
    });
    const code = `${PRELUDE} const s = await open(words[0]); s.once("data", () => { s.resetAndDestroy(); });`;
    await wire.run(code, port);
    expect(await promise).toBe("ECONNRESET");
    server.close();
  });

  /** Sends without end, and counts what comes. */
  const POUR = `
    const block = Buffer.alloc(65536);
    const pour = (socket) => { while (socket.write(block)); };
    const begin = (socket) => { socket.on("drain", () => pour(socket)); socket.on("error", () => {}); pour(socket); };`;

  test("a program of the guest's that is killed in the middle of a transfer is gone for the host", async () => {
    const closed = Promise.withResolvers<void>();
    const { server, port } = await serve((socket) => {
      const block = Buffer.alloc(65_536);
      const pour = () => {
        while (socket.write(block));
      };
      socket
        .on("drain", pour)
        .on("close", closed.resolve)
        .on("end", () => socket.destroy())
        .resume();
      pour();
    });
    const program = wire.inside(
      `${PRELUDE}${POUR} const s = await open(words[0]); begin(s); s.once("data", () => console.log("flows"));`,
      port,
    );
    expect(await program.line()).toBe("flows");
    program.child.kill("SIGKILL");
    await closed.promise;
    await until("the flow is over", () => wire.ended.some(({ flow }) => flow.destination.port === port));
    server.close();
  });

  test("a server of the host's that is killed in the middle of a transfer is gone for the guest", async () => {
    const code = `${POUR} require("node:net").createServer(begin).listen(0, "127.0.0.1", function () { console.log(this.address().port); });`;
    const server = new Talking(Bun.spawn([process.execPath, "-e", code], { stdout: "pipe", stderr: "pipe" }));
    const port = Number(await server.line());
    const program = wire.inside(
      `${PRELUDE}${POUR} const s = await open(words[0]); begin(s);
       s.on("end", () => s.destroy()).on("close", () => { console.log("gone"); process.exit(0); });
       s.once("data", () => console.log("flows"));`,
      port,
    );
    expect(await program.line()).toBe("flows");
    server.child.kill("SIGKILL");
    expect(await program.line()).toBe("gone");
    await until("the flow is over", () => wire.ended.some(({ flow }) => flow.destination.port === port));
  });

  test("where nobody listens, and where the policy closes, the guest is refused at once", async () => {
    const { server, port } = await serve(() => {});
    await new Promise((resolve) => server.close(resolve));
    const code = `${PRELUDE} const begun = Date.now();
      const answer = await open(words[0], words[1]).then(() => "open", (error) => error.code);
      console.log(answer, Date.now() - begun < 2000);`;
    expect(await wire.run(code, port, "100.96.0.1")).toBe("ECONNREFUSED true");
    expect(await wire.run(code, 80, "192.0.2.1")).toBe("ECONNREFUSED true");
    expect(await wire.run(code, 80, "2001:db8::1")).toBe("ECONNREFUSED true");
    const denied = wire.ended.filter(({ end }) => end.how === "denied");
    expect(denied.map(({ flow }) => flow.destination.address)).toEqual(["192.0.2.1", "2001:db8::1"]);
  });

  test("what is dropped gets no answer", async () => {
    const code = `${PRELUDE} const timer = setTimeout(() => { console.log("nothing"); process.exit(); }, 1500);
      await open(80, words[0]).then(() => console.log("open"), (error) => console.log(error.code)); clearTimeout(timer);`;
    expect(await wire.run(code, "192.0.2.9")).toBe("nothing");
  });

  test("nothing reaches the host before it was looked at", async () => {
    const heard: string[] = [];
    const { server, port } = await serve((socket) => {
      socket.on("data", (part) => {
        heard.push(part.toString());
        socket.end("welcome");
      });
      socket.on("end", () => socket.end());
    });
    inspected = port;
    const code = `${PRELUDE} const s = await open(words[0]); s.setNoDelay(true);
      const answer = all(s).then(String, (error) => error.code);
      for (const letter of words[1] + "\\n") { s.write(letter); await new Promise((r) => setTimeout(r, 1)); }
      console.log(await answer);`;
    expect(await wire.run(code, port, "good")).toBe("welcome");
    expect(await wire.run(code, port, "bad")).toBe("ECONNRESET");
    expect(heard).toEqual(["good\n"]);
    server.close();
  });
});

describe("ports that lead in", () => {
  let wire: Wire;
  beforeAll(async () => {
    wire = await Wire.open();
  });
  afterAll(async () => await wire.close());

  test("a connection is the guest's, both ways, and half closed", async () => {
    const published = await wire.stack.publish({
      ...{ protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 0, guestPort: 7 },
    });
    const server = wire.inside(`import { createServer } from "node:net";
      createServer({ allowHalfOpen: true }, (s) => { s.on("data", (d) => s.write(d)); s.on("end", () => s.end("bye")); })
        .listen(7, "0.0.0.0", () => console.log("listens"));`);
    await server.line();
    const code = `${PRELUDE} const s = await open(words[0], "127.0.0.1"); s.end("hello "); console.log(String(await all(s)));`;
    const client = Bun.spawn([process.execPath, "-e", code, String(published.hostPort)]);
    expect((await new Response(client.stdout).text()).trim()).toBe("hello bye");
    server.child.kill();
    published.close();
  });

  test.each(["", "a request"])(
    "the guest's refusal is the client's, which has said %p before",
    async (said) => {
      const published = await wire.stack.publish({
        ...{ protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 0, guestPort: 9 },
      });
      const code = `${PRELUDE}
      const begin = (s) => { s.write(words[1]); return all(s); };
      console.log(await open(words[0], "127.0.0.1").then(begin).then(() => "ended", (error) => error.code));`;
      const client = Bun.spawn([process.execPath, "-e", code, String(published.hostPort), said]);
      expect((await new Response(client.stdout).text()).trim()).toBe("ECONNRESET");
      published.close();
    },
  );

  test("what a client sends before the guest has accepted arrives, however much it is", async () => {
    const published = await wire.stack.publish({
      ...{ protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 0, guestPort: 11 },
    });
    const server = wire.inside(`import { createServer } from "node:net";
      const hash = new Bun.CryptoHasher("sha256");
      createServer({ allowHalfOpen: true }, (s) => { s.on("data", (d) => hash.update(d)); s.on("end", () => s.end(hash.digest("hex"))); })
        .listen(11, "0.0.0.0", () => console.log("listens"));`);
    await server.line();
    const bytes = Buffer.alloc(20_000_000, "what comes early");
    // A wire that carries nothing: the guest does not hear of the connection.
    wire.tap.kill("SIGSTOP");
    const code = `${PRELUDE} const s = await open(words[0], "127.0.0.1");
      s.end(Buffer.alloc(${bytes.length}, "what comes early")); console.log("sent"); console.log(String(await all(s)));`;
    const client = new Talking(
      Bun.spawn([process.execPath, "-e", code, String(published.hostPort)], {
        stdout: "pipe",
        stderr: "pipe",
      }),
    );
    expect(await client.line()).toBe("sent");
    wire.tap.kill("SIGCONT");
    expect(await client.line()).toBe(new Bun.CryptoHasher("sha256").update(bytes).digest("hex"));
    server.child.kill();
    published.close();
  });

  test("a port that is taken is refused by name", async () => {
    const { server, port } = await serve(() => {});
    const forward = { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: port, guestPort: 9 } as const;
    expect(await wire.stack.publish(forward).catch((e: unknown) => e)).toMatchObject({ code: "port.in_use" });
    server.close();
  });
});
