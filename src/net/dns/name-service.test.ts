import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Gatekeeper, type PolicySettings } from "../policy/index.ts";
import { elsewhere, policyOf } from "../policy/policy.fixture.ts";
import {
  listenTcp,
  onFreePort,
  serveZone,
  type Zone,
  type ZoneServer,
  type ZoneServerOptions,
} from "./dns.fixture.ts";
import { readAnswer } from "./message.ts";
import { type Lookup, NameService, type NameServiceOptions } from "./name-service.ts";
import { writeQuery } from "./write.ts";

const ended: (() => void)[] = [];
afterEach(() => {
  for (const end of ended.splice(0)) end();
});

const ZONE: Zone = {
  "example.com": ["A 300 192.0.2.1", "AAAA 300 2001:0db8:0:0:0:0:0:1", "TXT 60 hello"],
  "www.example.com": ["CNAME 60 edge.cdn.test"],
  "edge.cdn.test": ["CNAME 60 node.cdn.test", "+evil.test A 60 192.0.2.66"],
  "node.cdn.test": ["A 30 192.0.2.2", "A 30 192.0.2.3"],
  "inner.example.com": ["A 60 10.0.0.1", "A 60 127.0.0.1", "A 60 169.254.169.254", "A 60 192.0.2.4"],
  "loop.example.com": ["CNAME 60 loop.example.com"],
  "big.example.com": Array.from({ length: 200 }, (_, index) => `A 60 198.51.100.${index}`),
  "evil.test": ["A 60 192.0.2.66"],
};

async function service(
  settings: Partial<PolicySettings>,
  options: Partial<NameServiceOptions> = {},
  server: ZoneServerOptions = {},
) {
  const zone = await serveZone(ZONE, server);
  const gatekeeper = new Gatekeeper(policyOf(settings), undefined, elsewhere());
  const lookups: Lookup[] = [];
  const names = new NameService({
    ...{ gatekeeper, servers: [zone.server], ipv6: true, onLookup: (lookup) => lookups.push(lookup) },
    ...{ hostFiles: { resolvConf: "/dev/null", hosts: "/dev/null" } },
    ...options,
  });
  ended.push(
    () => names.close(),
    () => zone.close(),
  );
  const ask = async (name: string, type = 1, transport: "udp" | "tcp" = "udp") => {
    const bytes = await names.resolve(writeQuery(name, type, 4711), transport);
    const answer = bytes && readAnswer(bytes);
    if (answer === undefined) throw new Error("no answer");
    expect(answer.id).toBe(4711);
    expect(answer.question?.name).toBe(name);
    return answer;
  };
  const addresses = async (name: string, type = 1) =>
    (await ask(name, type)).records.flatMap(({ address }) => address ?? []);
  const isOpen = (address: string, port = 22) => gatekeeper.decide({ protocol: "tcp", address, port }).allow;
  return { zone, lookups, ask, addresses, isOpen, names };
}

const asked = ({ asked }: ZoneServer) => asked;

describe("under a list of names", () => {
  test("answers about allowed names open what they say, and no more", async () => {
    const { zone, addresses, isOpen, lookups } = await service({ hosts: ["example.com"] });
    expect(isOpen("192.0.2.1")).toBe(false);
    expect(await addresses("example.com")).toEqual(["192.0.2.1"]);
    expect([isOpen("192.0.2.1"), isOpen("2001:db8::1")]).toEqual([true, false]);
    expect(await addresses("example.com", 28)).toEqual(["2001:db8::1"]);
    expect(isOpen("2001:db8::1")).toBe(true);
    expect(asked(zone)).toEqual(["example.com 1 udp", "example.com 28 udp"]);
    expect(lookups[0]).toEqual({
      ...{ name: "example.com", type: 1, rcode: 0, addresses: ["192.0.2.1"] },
      decision: { allow: true, rule: "example.com" },
    });
  });

  test("other names do not exist, and nobody is asked about them", async () => {
    const { zone, ask, lookups, isOpen } = await service({ hosts: ["example.com"] });
    for (const name of [
      "evil.test",
      "example.com.evil.test",
      "secret.data.evil.test",
      "com",
      "1.2.0.192.in-addr.arpa",
    ])
      for (const type of [1, 28, 16, 10, 65, 255])
        for (const transport of ["udp", "tcp"] as const)
          expect((await ask(name, type, transport)).rcode).toBe(3);
    expect(asked(zone)).toEqual([]);
    expect(lookups).toHaveLength(60);
    expect(isOpen("192.0.2.66")).toBe(false);
  });

  test("a chain of names opens its end, and not what an answer says beside it", async () => {
    const { addresses, isOpen } = await service({ hosts: ["www.example.com"] });
    expect(await addresses("www.example.com")).toEqual(["192.0.2.66", "192.0.2.2", "192.0.2.3"]);
    expect([isOpen("192.0.2.2"), isOpen("192.0.2.3"), isOpen("192.0.2.66")]).toEqual([true, true, false]);
  });

  test("a name that leads inside opens nothing there (rebinding)", async () => {
    const { addresses, isOpen } = await service({ hosts: ["example.com"] });
    expect(await addresses("inner.example.com")).toHaveLength(4);
    for (const address of ["10.0.0.1", "127.0.0.1", "169.254.169.254"]) expect(isOpen(address)).toBe(false);
    expect(isOpen("192.0.2.4")).toBe(true);
  });

  test("a name that leads to itself, a text, a name that is not there", async () => {
    const { ask, isOpen } = await service({ hosts: ["example.com"] });
    expect((await ask("loop.example.com")).rcode).toBe(0);
    expect((await ask("example.com", 16)).records[0]?.type).toBe(16);
    expect((await ask("none.example.com")).rcode).toBe(3);
    expect(isOpen("192.0.2.1")).toBe(false);
  });

  test("an answer from the cache opens, too; names keep the case in which they were asked", async () => {
    const { zone, addresses, ask, isOpen } = await service({ hosts: ["example.com"] });
    await addresses("example.com");
    expect((await ask("eXample.COM")).records[0]?.ttl).toBeLessThanOrEqual(300);
    expect(asked(zone)).toHaveLength(1);
    expect(isOpen("192.0.2.1")).toBe(true);
  });
});

test("the same question is asked once at a time", async () => {
  const { zone, addresses } = await service({ egress: "all" });
  const answers = await Promise.all(Array.from({ length: 50 }, () => addresses("example.com")));
  expect(new Set(answers.map(String))).toEqual(new Set(["192.0.2.1"]));
  expect(asked(zone)).toHaveLength(1);
});

test("what does not fit comes over TCP, and is for the guest to ask again", async () => {
  const { zone, ask } = await service({ egress: "all" });
  expect((await ask("big.example.com")).flags & 0x0200).toBe(0x0200);
  expect((await ask("big.example.com", 1, "tcp")).records).toHaveLength(200);
  expect(asked(zone)).toEqual(["big.example.com 1 udp", "big.example.com 1 tcp"]);
});

test("answers of the wrong number, question or shape are waited past", async () => {
  const wrong = (message: Uint8Array): Uint8Array[] => {
    const answer = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.concat([
        message,
        Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 6, 6, 6, 6]),
      ]);
      bytes[2] = 0x81;
      bytes[7] = 1;
      change(bytes);
      return bytes;
    };
    return [
      Buffer.from([1, 2, 3]),
      answer((bytes) => bytes.writeUInt16BE(bytes.readUInt16BE(0) ^ 1, 0)),
      answer((bytes) => {
        bytes[13] = 0x7a;
      }),
      answer((bytes) => bytes.writeUInt8(5, bytes.length - 5)),
      answer((bytes) => bytes.writeUInt32BE(0xc0000209, bytes.length - 4)),
    ];
  };
  const { addresses } = await service({ egress: "all" }, {}, { answer: wrong });
  expect(await addresses("example.com")).toEqual(["192.0.2.9"]);
});

test("a server that is silent or gone makes way for the next one", async () => {
  const silent = await serveZone({}, { silent: true });
  const good = await serveZone(ZONE);
  ended.push(silent.close, good.close);
  const gone = { address: "127.0.0.1", port: 1 };
  const { addresses } = await service({ egress: "all" }, { servers: [gone, silent.server, good.server] });
  const before = performance.now();
  expect(await addresses("example.com")).toEqual(["192.0.2.1"]);
  expect(performance.now() - before).toBeLessThan(2500);
});

test("without any server that answers, a failure says so", async () => {
  const { ask } = await service({ egress: "all" }, { servers: [{ address: "127.0.0.1", port: 1 }] });
  expect((await ask("example.com")).rcode).toBe(2);
});

describe("names that nobody is asked about", () => {
  test("the user's, and the host's files", async () => {
    const directory = mkdtempSync(join(tmpdir(), "smolvm-dns-"));
    ended.push(() => rmSync(directory, { recursive: true }));
    const hosts = join(directory, "hosts");
    writeFileSync(hosts, "# x\n192.0.2.50 Printer printer.lan # y\n127.0.1.1 me\n0.0.0.0 ads.test\nbad x\n");
    const names = new Map([["db", ["10.0.0.5"]]]);
    const hostFiles = { resolvConf: "/dev/null", hosts };
    const { zone, addresses, ask, isOpen } = await service(
      { hosts: ["printer.lan", "db", "me", "ads.test"] },
      { names, hostFiles },
    );
    expect(await addresses("PRINTER.lan")).toEqual(["192.0.2.50"]);
    expect(await addresses("db")).toEqual(["10.0.0.5"]);
    expect(await addresses("ads.test")).toEqual(["0.0.0.0"]);
    expect((await ask("me")).rcode).toBe(3);
    expect((await ask("printer")).rcode).toBe(3);
    // The user's own word opens an inner address; a file's does not open a closed one.
    expect([isOpen("192.0.2.50"), isOpen("10.0.0.5"), isOpen("0.0.0.0")]).toEqual([true, true, false]);
    expect(await addresses("localhost")).toEqual(["127.0.0.1"]);
    expect(asked(zone)).toEqual([]);
  });

  test("the host, where it may be reached", async () => {
    const closed = await service({ egress: "all" });
    expect((await closed.ask("host.smolvm.internal")).rcode).toBe(3);
    const open = await service({ localhost: true });
    expect(await open.addresses("host.smolvm.internal")).toEqual(["100.96.0.1"]);
    expect(await open.addresses("host.smolvm.internal", 28)).toEqual(["fd00:53:4d::1"]);
    expect((await open.ask("example.com")).rcode).toBe(3);
    expect([...asked(closed.zone), ...asked(open.zone)]).toEqual([]);
  });

  test("IPv6, where the guest has none", async () => {
    const { zone, ask } = await service({ egress: "all" }, { ipv6: false });
    expect(await ask("example.com", 28)).toMatchObject({ rcode: 0, records: [] });
    expect(asked(zone)).toEqual([]);
  });

  test("zones and the server itself", async () => {
    const { zone, ask, names } = await service({ egress: "all" });
    expect((await ask("example.com", 252)).rcode).toBe(4);
    const chaos = Buffer.from(writeQuery("version.bind", 16, 1));
    chaos[chaos.length - 1] = 3;
    expect((await names.resolve(chaos, "udp"))?.[3]).toBe(0x85);
    expect(await names.resolve(Buffer.from("x"), "udp")).toBeUndefined();
    expect(asked(zone)).toEqual([]);
  });
});

test("dig understands every answer", async () => {
  const { names } = await service({ hosts: ["example.com"] });
  const { socket, tcp } = await onFreePort(async () => {
    const socket = await Bun.udpSocket({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        async data(socket, data, port, address) {
          const answer = await names.resolve(data, "udp");
          if (answer !== undefined) socket.send(answer, port, address);
        },
      },
    });
    const tcp = listenTcp(socket, {
      hostname: "127.0.0.1",
      port: socket.port,
      socket: {
        async data(socket, data) {
          const answer = await names.resolve(data.subarray(2), "tcp");
          if (answer === undefined) return;
          socket.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]));
        },
      },
    });
    return { socket, tcp };
  });
  ended.push(
    () => socket.close(),
    () => tcp.stop(true),
  );
  const dig = async (...words: string[]) => {
    const command = ["dig", "@127.0.0.1", "-p", String(socket.port), "+tries=1", "+time=5", ...words];
    const { stdout } = await Bun.$`${command}`.quiet().nothrow();
    return stdout.toString();
  };
  const plain = await dig("example.com", "A");
  expect(plain).toContain("status: NOERROR");
  expect(plain).toMatch(/^example\.com\.\s+\d+\s+IN\s+A\s+192\.0\.2\.1$/m);
  expect(plain).not.toMatch(/warning|malformed|WARNING/i);
  expect(await dig("+noedns", "+short", "www.example.com")).toBe(
    "edge.cdn.test.\nnode.cdn.test.\n192.0.2.66\n192.0.2.2\n192.0.2.3\n",
  );
  const denied = await dig("+dnssec", "evil.test", "TXT");
  expect(denied).toContain("status: NXDOMAIN");
  expect(denied).toContain("; EDNS: version: 0");
  expect(denied).not.toMatch(/malformed|extra bytes/i);
  expect(await dig("+tcp", "+short", "evil.test")).toBe("");
  expect((await dig("+short", "+bufsize=512", "big.example.com")).trim().split("\n")).toHaveLength(200);
  expect(await dig("+ignore", "+bufsize=512", "big.example.com")).toMatch(/flags: qr tc/);
});
