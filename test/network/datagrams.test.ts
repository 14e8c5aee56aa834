import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { until } from "../support/process.ts";
import { Wire } from "./namespace.ts";

setDefaultTimeout(60_000);

let wire: Wire;
beforeAll(async () => {
  wire = await Wire.open();
});
afterAll(async () => await wire.close());

const echo = async (hostname = "127.0.0.1") =>
  await Bun.udpSocket({
    hostname,
    socket: { data: (socket, bytes, port, address) => void socket.send(bytes, port, address) },
  });

/** Sends datagrams of these sizes to a port, one after the other, and says which came back as they were. */
const ASK = `
const [address, port, ...sizes] = process.argv.slice(1);
let answer;
const socket = await Bun.udpSocket({ hostname: address.includes(":") ? "::" : "0.0.0.0", connect: { hostname: address, port: Number(port) }, socket: {
  data(_, bytes) { answer(bytes); }, error(...e) { answer(e.find((x) => x instanceof Error)); } } });
for (const size of sizes.map(Number)) {
  const bytes = Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + size) & 255));
  const got = await new Promise((resolve) => { answer = resolve; socket.send(bytes); setTimeout(resolve, 2000, "nothing"); });
  console.log(size, got instanceof Error ? got.code : got === "nothing" ? got : Buffer.compare(bytes, got) === 0);
}
process.exit(0);`;

describe("UDP", () => {
  test("datagrams of all sizes, those in fragments too", async () => {
    const server = await echo();
    const sizes = [0, 1, 1472, 1473, 9000, 65_483, 65_492, 65_493, 65_507];
    const answers = await wire.run(ASK, "100.96.0.1", server.port, ...sizes);
    expect(answers.split("\n")).toEqual(sizes.map((size) => `${size} true`));
    server.close();
  });

  test("over IPv6 as well", async () => {
    const server = await echo("::1");
    expect(await wire.run(ASK, "fd00:53:4d::1", server.port, 100, 1)).toBe("100 true\n1 true");
    server.close();
  });

  test("a port without a service, and an address that is closed, are said to be so", async () => {
    const server = await echo();
    const { port } = server;
    server.close();
    expect(await wire.run(ASK, "100.96.0.1", port, 10)).toBe("10 ECONNREFUSED");
    expect(await wire.run(ASK, "198.51.100.7", 99, 10)).toBe("10 EHOSTUNREACH");
    expect(await wire.run(ASK, "2001:db8::7", 99, 10)).toBe("10 EACCES");
  });

  test("questions about names are answered, whoever is asked", async () => {
    expect(await wire.run(ASK, "100.96.0.1", 53, 40)).toBe("40 true");
    expect(await wire.run(ASK, "198.51.100.7", 53, 40)).toBe("40 true");
  });

  test("a published port: each client gets its own answers", async () => {
    const forward = { protocol: "udp", hostAddress: "127.0.0.1", hostPort: 0, guestPort: 99 } as const;
    const { hostPort, close } = await wire.stack.publish(forward);
    const server = wire.inside(`await Bun.udpSocket({ port: 99, socket: {
      data(socket, bytes, port, address) { socket.send("for " + bytes, port, address); } } }); console.log("listens");`);
    await server.line();
    const client = async (name: string) => {
      const { promise, resolve } = Promise.withResolvers<string>();
      const socket = await Bun.udpSocket({
        connect: { hostname: "127.0.0.1", port: hostPort },
        socket: { data: (_, bytes) => resolve(bytes.toString()) },
      });
      socket.send(name);
      return await promise.finally(() => socket.close());
    };
    expect(await Promise.all(["a", "b", "c"].map(client))).toEqual(["for a", "for b", "for c"]);
    server.child.kill();
    close();
  });
});

describe("questions about names over TCP", () => {
  test("several in one connection, cut anywhere", async () => {
    const code = `
      const { connect } = await import("node:net");
      const socket = connect({ host: "198.51.100.7", port: 53, allowHalfOpen: true });
      const parts = [];
      socket.on("data", (part) => parts.push(part));
      const ended = new Promise((resolve) => socket.on("end", resolve));
      const message = (size) => { const m = Buffer.alloc(2 + size, size); m.writeUInt16BE(size); return m; };
      const all = Buffer.concat([message(12), message(300), message(4096)]);
      for (let at = 0; at < all.length; ) { const n = at < 320 ? 7 : 20000; socket.write(all.subarray(at, at + n)); at += n; await Bun.sleep(1); }
      socket.end();
      await ended;
      const got = Buffer.concat(parts);
      const sizes = [];
      for (let at = 0; at < got.length; at += 2 + got.readUInt16BE(at)) sizes.push(got.readUInt16BE(at));
      console.log(sizes.sort((a, b) => a - b).join(" "));`;
    expect(await wire.run(code)).toBe("12 300 4096");
  });
});

describe("ping", () => {
  const PING = `
    import { openPing } from ${JSON.stringify(`${import.meta.dir}/../../src/net/host/ping.ts`)};
    import { writeFileSync } from "node:fs";
    writeFileSync("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
    const [address, type] = process.argv.slice(1);
    const message = Buffer.alloc(64, 7);
    message.set([Number(type), 0, 0, 0]);
    message.writeUInt32BE(5, 4);
    const timer = setTimeout(() => { console.log("nothing"); process.exit(0); }, 2000);
    const socket = await openPing(address, (reply) => { console.log(reply[0], reply.length, reply[63], reply.readUInt16BE(6)); process.exit(0); });
    socket.send(message);`;

  test("the gateway answers, by both versions of IP", async () => {
    expect(await wire.run(PING, "100.96.0.1", 8)).toBe("0 64 7 5");
    expect(await wire.run(PING, "fd00:53:4d::1", 128)).toBe("129 64 7 5");
  });

  test("what is closed does not answer, and the flow is told as denied", async () => {
    expect(await wire.run(PING, "198.51.100.7", 8)).toBe("nothing");
    await until(
      "the flow is over",
      () => wire.ended.some(({ flow, end }) => flow.protocol === "icmp" && end.how === "denied"),
      30,
    );
  });
});
