import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { Wire } from "./namespace.ts";

/** What is on the wire, as tcpdump reads it: an implementation of these formats that is not ours. */

setDefaultTimeout(60_000);

/** TCP in both versions of IP and both directions, datagrams in one packet and in fragments, a refusal. */
const TALK = `
const [port, udp] = process.argv.slice(1).map(Number);
const talk = (hostname) => new Promise((resolve, reject) => {
  let left = 100_001;
  void Bun.connect({ hostname, port, socket: {
    open(socket) { socket.write("begin"); },
    data(socket, bytes) { if ((left -= bytes.length) === 0) socket.end(); },
    close: resolve, error: (_, error) => reject(error),
  } });
});
await talk("100.96.0.1");
await talk("fd00:53:4d::1");
for (const hostname of ["100.96.0.1", "fd00:53:4d::1"])
  for (const size of [0, 1, 1001, hostname.includes(":") ? 1200 : 65507]) {
    const heard = Promise.withResolvers();
    const socket = await Bun.udpSocket({ hostname: hostname.includes(":") ? "::" : "0.0.0.0", connect: { hostname, port: udp }, socket: { data: heard.resolve } });
    socket.send(Buffer.alloc(size, 7));
    await heard.promise;
    socket.close();
  }
await Bun.connect({ hostname: "198.51.100.7", port: 9, socket: { data() {} } }).catch(() => {});
const refused = Promise.withResolvers();
const closed = await Bun.udpSocket({ connect: { hostname: "198.51.100.7", port: 9 }, socket: { data() {}, error: refused.resolve } });
closed.send("x");
await refused.promise;
process.exit(0);`;

test("tcpdump finds every header, checksum and length of ours right", async () => {
  if (Bun.which("tcpdump") === null) throw new Error("this test needs tcpdump: apt install tcpdump");
  // The same port for both versions of IP.
  const echo = async (hostname: string, port = 0) =>
    await Bun.udpSocket({
      ...{ hostname, port },
      socket: { data: (socket, bytes, port, address) => void socket.send(bytes, port, address) },
    });
  const serve = (hostname: string, port = 0) =>
    Bun.listen({
      ...{ hostname, port },
      socket: { data: (socket) => void socket.write(Buffer.alloc(100_001, 5)) },
    });
  const wire = await Wire.open();
  const file = join(wire.directory, "capture");
  const ours = "ether src 02:53:4d:00:00:01";
  const words = ["-i", "eth0", "-U", "--immediate-mode", "-s", "0", "-w", file, ours];
  const dump = Bun.spawn(["nsenter", "-t", String(wire.tap.pid), "-n", "tcpdump", ...words], {
    ...{ stdout: "ignore", stderr: "pipe" },
  });
  const server = serve("127.0.0.1");
  const server6 = serve("::1", server.port);
  const datagrams = await echo("127.0.0.1");
  const datagrams6 = await echo("::1", datagrams.port);
  try {
    // Its stderr stays open: the rest of what it says must not end it.
    const reader = dump.stderr.getReader();
    for (let said = ""; !said.includes("snapshot length"); ) {
      const { value } = await reader.read();
      if (value === undefined) throw new Error(`tcpdump has ended: ${said}`);
      said += Buffer.from(value).toString();
    }
    await wire.run(TALK, server.port, datagrams.port);
    dump.kill("SIGINT");
    await dump.exited;
    const read = Bun.spawnSync(["tcpdump", "-n", "-vvv", "-r", file]).stdout.toString();
    const count = (pattern: RegExp) => read.match(pattern)?.length ?? 0;
    // What it says of checksums that are wrong, of packets that end too soon, and of what it cannot read.
    expect(read.match(/^.*(?:incorrect|bad |invalid|malformed|truncated|\[\|).*$/gm)).toBeNull();
    expect(count(/cksum 0x[0-9a-f]{4} \(correct\)/g)).toBeGreaterThan(10);
    expect(count(/udp sum ok/g)).toBeGreaterThan(5);
    expect(count(/ICMP host 198\.51\.100\.7 unreachable/g)).toBe(1);
    expect(count(/flags \[\+\]/g)).toBe(1);
  } finally {
    dump.kill();
    server.stop(true);
    server6.stop(true);
    datagrams.close();
    datagrams6.close();
    await wire.close();
  }
});
