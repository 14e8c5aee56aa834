import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { decideServerName } from "./decide.ts";
import { firstBytes, helloOf } from "./first-bytes.fixture.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { hostOf } from "./http.ts";
import { elsewhere, generator, policyOf, seedOfTest } from "./policy.fixture.ts";
import { serverNameOf } from "./tls.ts";

/** The same handshake, cut into records of so many bytes. */
function recut(hello: Uint8Array, size: number): Buffer {
  const body = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), Buffer.from(part));
  }
  return Buffer.concat(records);
}

describe("TLS", () => {
  test("the name in what a real client sends, however it is cut", async () => {
    const hello = await helloOf("one.example.com");
    expect(serverNameOf(hello)).toBe("one.example.com");
    for (const size of [1, 2, 3, 50, 200]) expect(serverNameOf(recut(hello, size))).toBe("one.example.com");
    for (let length = 0; length < hello.length; length++)
      expect(serverNameOf(hello.subarray(0, length))).toBe("more");
    // What comes after it is of no interest.
    expect(serverNameOf(Buffer.concat([hello, Buffer.alloc(100)]))).toBe("one.example.com");
  });

  test("no name", async () => {
    expect(serverNameOf(Buffer.from("GET / HTTP/1.1\r\n"))).toBeUndefined();
    expect(serverNameOf(Buffer.from("SSH-2.0-OpenSSH_9"))).toBeUndefined();
    expect(serverNameOf(Buffer.from([22, 3, 1, 0, 0]))).toBeUndefined();
    expect(serverNameOf(Buffer.from([22, 3, 1, 0xff, 0xff]))).toBeUndefined();
    expect(serverNameOf(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]))).toBeUndefined();
    const hello = await helloOf("");
    expect(serverNameOf(hello)).toBeUndefined();
  });

  test("two names are none", async () => {
    const hello = await helloOf("one.example.com");
    const name = Buffer.from("\0\x0fone.example.com");
    const at = hello.indexOf(name);
    const extension = hello.subarray(at - 7, at + name.length);
    const twice = Buffer.concat([hello.subarray(0, at - 7), extension, hello.subarray(at - 7)]);
    twice.writeUInt16BE(twice.length - 5, 3);
    twice.writeUIntBE(twice.length - 9, 6, 3);
    // The length of all extensions stands behind session, ciphers and compression.
    let extensions = 9 + 34;
    extensions += 1 + (twice[extensions] as number);
    extensions += 2 + twice.readUInt16BE(extensions);
    extensions += 1 + (twice[extensions] as number);
    twice.writeUInt16BE(twice.length - extensions - 2, extensions);
    expect(serverNameOf(twice)).toBeUndefined();
  });

  test("hostile bytes: an answer, in bounded time", async () => {
    const hello = await helloOf("fuzz.example.com");
    const seed = seedOfTest();
    const random = generator(seed);
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(hello);
      for (let change = random(6); change >= 0; change--) bytes[random(bytes.length)] = random(256);
      const name = serverNameOf(bytes.subarray(0, random(2) === 0 ? bytes.length : random(bytes.length)));
      expect(name === undefined || typeof name === "string").toBe(true);
    }
    // Thousands of records with one byte each.
    const before = performance.now();
    serverNameOf(recut(Buffer.concat([hello.subarray(0, 9), Buffer.alloc(16_000)]), 1));
    expect(performance.now() - before).toBeLessThan(1000);
  });
});

describe("HTTP", () => {
  const host = (text: string) => hostOf(Buffer.from(text));

  test("the host of what a real client sends, at any cut", async () => {
    const request = await firstBytes((port) => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      socket.end(
        "GET /path?x=1 HTTP/1.1\r\nUser-Agent: x\r\nHOST:  One.Example.com:8080 \r\nAccept: */*\r\n\r\n",
      );
    });
    expect(hostOf(request)).toBe("One.Example.com");
    for (let length = 0; length < request.length; length++)
      expect(hostOf(request.subarray(0, length))).toBe("more");
  });

  test("whole addresses have to agree", () => {
    expect(host("GET http://a.test/x HTTP/1.1\r\nHost: A.test\r\n\r\n")).toBe("A.test");
    expect(host("GET http://evil.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")).toBeUndefined();
    expect(host("GET http://a.test@evil.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")).toBeUndefined();
    expect(host("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n")).toBeUndefined();
    expect(host("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n")).toBe("a.test");
    expect(host("GET / HTTP/1.0\r\nHost: [::1]:80\r\n\r\n")).toBe("[::1]");
  });

  test.each([
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.test\r\n  evil.test\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
    "GET / HTTP/1.1\nHost: a.test\n\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /\r\n",
    "\x16\x03\x01",
    "SSH-2.0-x\r\n",
    `GET / HTTP/1.1\r\nX: ${"x".repeat(9000)}`,
  ])("no host: %p", (text) => {
    expect(host(text)).toBeUndefined();
  });
});

describe("the gatekeeper", () => {
  const keeper = new Gatekeeper(policyOf({ hosts: ["example.com", "*.cdn.test:80"] }), () => 0);
  const to = (port: number) => ({ protocol: "tcp", address: "192.0.2.1", port }) as const;

  test("lets the names pass that a rule has, on the port that it has", async () => {
    expect(keeper.inspect(to(443), await helloOf("www.example.com"), false)).toBe("pass");
    expect(keeper.inspect(to(443), await helloOf("evil.test"), false)).toEqual({
      allow: false,
      how: "refuse",
      rule: "not in the allow-list: server name evil.test",
    });
    const request = (name: string) => Buffer.from(`GET / HTTP/1.1\r\nHost: ${name}\r\n\r\n`);
    expect(keeper.inspect(to(80), request("x.cdn.test"), false)).toBe("pass");
    expect(keeper.inspect(to(80), request("evil.test"), false)).toMatchObject({ allow: false });
    expect(keeper.inspect(to(443), await helloOf("x.cdn.test"), false)).toMatchObject({ allow: false });
  });

  test("waits for more, and not for ever", () => {
    expect(keeper.inspect(to(443), Buffer.from([22]), false)).toBe("more");
    expect(keeper.inspect(to(443), Buffer.from([22]), true)).toMatchObject({ allow: false });
    const records = recut(
      Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 1, 0, 255, 255]), Buffer.alloc(14_000)]),
      1000,
    );
    expect(keeper.inspect(to(443), records, false)).toBe("more");
    expect(
      keeper.inspect(to(443), Buffer.concat([records, Buffer.alloc(4000)]).subarray(0, 16_384), false),
    ).toMatchObject({
      allow: false,
    });
  });

  test("opens for the time of an answer, at least and at most", () => {
    let now = 0;
    const timed = new Gatekeeper(policyOf({ hosts: ["example.com"] }), () => now, elsewhere());
    const isOpen = (address: string) => timed.decide({ protocol: "tcp", address, port: 22 }).allow;
    timed.open("example.com", [
      { address: "192.0.2.1", ttl: 0 },
      { address: "192.0.2.2", ttl: 300 },
      { address: "192.0.2.3", ttl: 1_000_000 },
      { address: "2001:DB8:0::1", ttl: 300 },
    ]);
    expect(isOpen("2001:db8::1")).toBe(true);
    now = 89_000;
    expect([isOpen("192.0.2.1"), isOpen("192.0.2.2")]).toEqual([true, true]);
    now = 91_000;
    expect([isOpen("192.0.2.1"), isOpen("192.0.2.2")]).toEqual([false, true]);
    now = 331_000;
    expect([isOpen("192.0.2.2"), isOpen("192.0.2.3")]).toEqual([false, true]);
    now = 3_631_000;
    expect(isOpen("192.0.2.3")).toBe(false);
  });
});

test("what is no name passes for none, whatever it ends like", () => {
  const gatekeeper = new Gatekeeper(policyOf({ hosts: ["allowed.test"] }));
  const verdict = (port: number, name: string) =>
    decideServerName(gatekeeper.policy, name, { protocol: "tcp", address: "203.0.113.1", port }).allow;
  for (const name of ["allowed.test", "a.allowed.test", "A.Allowed.Test."])
    expect(verdict(443, name)).toBe(true);
  const tricks = ["evil.test/.allowed.test", "evil.test?.allowed.test", "evil.test, x.allowed.test"].concat(
    ["user@evil.test/.allowed.test", "evil.test\0.allowed.test", "evil.test\\.allowed.test", ".allowed.test"],
    ["evil.test#.allowed.test", "evil.test:80@x.allowed.test", "evil.test\t.allowed.test"],
  );
  for (const name of tricks) {
    expect([name, verdict(443, name)]).toEqual([name, false]);
    const request = Buffer.from(`GET / HTTP/1.1\r\nHost: ${name}\r\n\r\n`, "latin1");
    const flow = { protocol: "tcp", address: "203.0.113.1", port: 80 } as const;
    expect(gatekeeper.inspect(flow, request, false)).toMatchObject({ allow: false });
  }
});
