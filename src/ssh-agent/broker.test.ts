import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { KeyUse } from "./broker.ts";
import { lendAgent } from "./broker.ts";
import { frame, MAX_MESSAGE_BYTES, MessageReader } from "./framing.ts";
import { fingerprintOf } from "./keys.ts";
import { FAILURE, parseIdentities } from "./messages.ts";
import { answering, connectPipe, RealAgent } from "./ssh-agent.fixture.ts";
import { encodeWire, type WireValue } from "./wire.ts";

const agent = new RealAgent();
beforeAll(() => agent.start());
afterAll(() => agent.stop());

/** Asks a lent agent one question after the other, on one connection. */
async function ask(path: string, ...requests: Uint8Array[]): Promise<Uint8Array[]> {
  const pipe = await connectPipe(path);
  const answers = new MessageReader(pipe.read());
  const got: Uint8Array[] = [];
  try {
    for (const request of requests) {
      await pipe.write(frame(request));
      got.push(await answers.next());
    }
    return got;
  } finally {
    pipe.close();
  }
}

const message = (...values: WireValue[]): Uint8Array => encodeWire(values);
const LIST = message({ byte: 11 });

describe("OpenSSH's own programs over a lent agent", () => {
  test("see its keys, and sign with them; each use is told with key, comment and purpose", async () => {
    const uses: KeyUse[] = [];
    const lent = await agent.lend("all", { onUse: (use) => uses.push(use) });
    const { output } = await agent.runBeside(["ssh-add", "-l"], lent.path);
    expect(output).toBe(agent.run(["ssh-add", "-l"]));
    writeFileSync(agent.file("letter"), "to be signed");
    const signing = ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", `${agent.file("one")}.pub`];
    const signed = await agent.runBeside([...signing, agent.file("letter")], lent.path);
    expect(signed.exitCode).toBe(0);
    const check = `ssh-keygen -Y check-novalidate -n file -s '${agent.file("letter.sig")}' <'${agent.file("letter")}'`;
    expect(agent.run(["sh", "-c", check])).toContain("Good");
    expect(uses).toEqual([
      {
        what: "signed",
        fingerprint: agent.fingerprint("one"),
        comment: "comment of one",
        purpose: 'a message of the namespace "file"',
        host: undefined,
      },
    ]);
    lent.close();
  });

  test("can neither add, remove nor lock anything", async () => {
    const uses: KeyUse[] = [];
    const lent = await agent.lend("changes", { onUse: (use) => uses.push(use) });
    const before = agent.run(["ssh-add", "-l"]);
    agent.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", agent.file("three")]);
    for (const words of [
      ["-D"],
      ["-d", agent.file("one")],
      [agent.file("three")],
      ["-t", "9", agent.file("three")],
    ]) {
      const { exitCode } = await agent.runBeside(["ssh-add", ...words], lent.path);
      expect([words, exitCode === 0]).toEqual([words, false]);
    }
    for (const type of [17, 18, 19, 20, 21, 22, 23, 25, 26, 0, 1, 9, 200])
      expect(await ask(lent.path, message({ byte: type }, "x"))).toEqual([Buffer.from(FAILURE)]);
    expect(agent.run(["ssh-add", "-l"])).toBe(before);
    expect(uses.every(({ what }) => what === "refused")).toBe(true);
    expect(new Set(uses.map(({ purpose }) => purpose))).toContain("remove all keys");
    lent.close();
  });

  test("see and use only the keys that are allowed", async () => {
    const uses: KeyUse[] = [];
    const keys = new Set([agent.fingerprint("two")]);
    const lent = await agent.lend("some", { keys, onUse: (use) => uses.push(use) });
    const { output } = await agent.runBeside(["ssh-add", "-l"], lent.path);
    expect(output).toContain(agent.fingerprint("two"));
    expect(output).not.toContain(agent.fingerprint("one"));
    const request = (name: string) => message({ byte: 13 }, agent.blob(name), "data", { uint32: 0 });
    const [refused, signed] = await ask(lent.path, request("one"), request("two"));
    expect(refused).toEqual(Buffer.from(FAILURE));
    expect(signed?.[0]).toBe(14);
    expect(uses).toMatchObject([
      { what: "refused", fingerprint: agent.fingerprint("one"), purpose: "unknown data" },
      { what: "signed", fingerprint: agent.fingerprint("two"), comment: "comment of two" },
    ]);
    lent.close();
  });

  test("find a certificate by the fingerprint of its key", async () => {
    agent.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", agent.file("ca")]);
    for (const type of ["ed25519", "rsa", "ecdsa"]) {
      const name = `certified-${type}`;
      agent.run(["ssh-keygen", "-q", "-t", type, "-N", "", "-f", agent.file(name)]);
      agent.run([
        "ssh-keygen",
        "-q",
        "-s",
        agent.file("ca"),
        "-I",
        "id",
        "-n",
        "me",
        `${agent.file(name)}.pub`,
      ]);
      const certificate = agent.blob(`${name}-cert`);
      expect(fingerprintOf(certificate)).toBe(agent.fingerprint(name));
      // Damaged, it is a key of its own.
      expect(fingerprintOf(certificate.subarray(0, 60))).not.toBe(agent.fingerprint(name));
    }
  });
});

describe("a bound session", () => {
  const host = generateKeyPairSync("ed25519");
  const raw = host.publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const hostKey = message("ssh-ed25519", raw);

  /** What ssh tells an agent: the host's key, the session, the host's signature of it. */
  const bind = (session: Uint8Array, signature = sign(null, session, host.privateKey)) =>
    message({ byte: 27 }, "session-bind@openssh.com", hostKey, session, message("ssh-ed25519", signature), {
      byte: 0,
    });

  const login = (session: Uint8Array, ...more: WireValue[]) => {
    const method = more.length === 0 ? "publickey" : "publickey-hostbound-v00@openssh.com";
    const key = agent.blob("one");
    const data = [session, { byte: 50 }, "git", "ssh-connection", method, { byte: 1 }, "ssh-ed25519", key];
    return message({ byte: 13 }, key, message(...(data as WireValue[]), ...more), { uint32: 0 });
  };

  test("that its host did not sign is refused by the agent, and names no host", async () => {
    const uses: KeyUse[] = [];
    const lent = await agent.lend("unbound", { onUse: (use) => uses.push(use) });
    const session = crypto.getRandomValues(new Uint8Array(32));
    const forged = bind(session, sign(null, session, generateKeyPairSync("ed25519").privateKey));
    const [answer, signed] = await ask(lent.path, forged, login(session));
    expect(answer).toEqual(Buffer.from(FAILURE));
    expect(signed?.[0]).toBe(14);
    expect(uses).toMatchObject([{ what: "signed", purpose: 'a login as "git"', host: undefined }]);
    lent.close();
  });

  test("names its host in what is told about a login", async () => {
    const uses: KeyUse[] = [];
    const session = crypto.getRandomValues(new Uint8Array(32));
    const lent = await agent.lend("bound", { onUse: (use) => uses.push(use) });
    const answers = await ask(lent.path, bind(session), login(session), login(new Uint8Array(32)));
    expect(answers.map(([type]) => type)).toEqual([6, 14, 14]);
    expect(uses.map(({ host }) => host)).toEqual([fingerprintOf(hostKey), undefined]);
    lent.close();
  });

  test("is told by the signature itself, where it names the host", async () => {
    const uses: KeyUse[] = [];
    const lent = await agent.lend("hostbound", { onUse: (use) => uses.push(use) });
    const [signed] = await ask(lent.path, login(new Uint8Array(32), hostKey));
    expect(signed?.[0]).toBe(14);
    expect(uses).toMatchObject([{ purpose: 'a login as "git"', host: fingerprintOf(hostKey) }]);
    lent.close();
  });
});

describe("what breaks the protocol", () => {
  test("of a client is refused, and ends the connection when its length is no length", async () => {
    const lent = await agent.lend("broken");
    const malformed = [
      message({ byte: 11 }, "more"),
      message({ byte: 13 }),
      message({ byte: 13 }, agent.blob("one"), "data"),
      message({ byte: 13 }, { uint32: 0xffffffff }),
      message({ byte: 27 }),
      message({ byte: 27 }, "query"),
      message({ byte: 27 }, "session-bind@openssh.com", "key"),
    ];
    const [last, ...answers] = (await ask(lent.path, ...malformed, LIST)).reverse();
    expect(answers).toEqual(malformed.map(() => Buffer.from(FAILURE)));
    expect(parseIdentities(last as Uint8Array)).toHaveLength(2);
    for (const length of [0, MAX_MESSAGE_BYTES + 1, 0xffffffff]) {
      const pipe = await connectPipe(lent.path);
      const header = Buffer.alloc(4);
      header.writeUInt32BE(length);
      await pipe.write(header);
      for await (const _ of pipe.read()) throw new Error("an answer");
    }
    lent.close();
  });

  test("a message may come byte by byte, and several at once", async () => {
    const lent = await agent.lend("slow");
    const pipe = await connectPipe(lent.path);
    for (const byte of frame(LIST)) await pipe.write(new Uint8Array([byte]));
    await pipe.write(Buffer.concat([frame(LIST), frame(LIST), frame(message({ byte: 19 }))]));
    const answers = new MessageReader(pipe.read());
    const types = [];
    for (let i = 0; i < 4; i++) types.push((await answers.next())[0]);
    expect(types).toEqual([12, 12, 12, 5]);
    pipe.close();
    lent.close();
  });

  test("of an agent ends the connection: its bytes do not reach the client", async () => {
    for (const answer of [
      frame(message({ byte: 12 }, { uint32: 5 })),
      frame(message({ byte: 12 }, { uint32: 0xffffffff })),
      frame(message({ byte: 12 }, { uint32: 0 }, "more")),
      Buffer.from([0, 0, 0, 0]),
    ]) {
      const lent = await agent.lend("liar", { connect: async () => answering(() => answer) });
      await expect(ask(lent.path, LIST)).rejects.toThrow();
      lent.close();
    }
  });

  test("an agent that is not there is a failure, not an end", async () => {
    const lent = await agent.lend("gone", { connect: () => connectPipe(agent.file("nothing")) });
    expect(await ask(lent.path, LIST, LIST)).toEqual([Buffer.from(FAILURE), Buffer.from(FAILURE)]);
    lent.close();
  });
});

test("a client that goes away ends the connection to the agent", async () => {
  let closed = false;
  const upstream = await connectPipe(agent.socket);
  const client = answering(() => new Uint8Array(0));
  const done = lendAgent({
    client: {
      ...client,
      read: async function* () {
        yield frame(LIST);
      },
    },
    connect: async () => ({
      ...upstream,
      close: () => {
        closed = true;
        upstream.close();
      },
    }),
  });
  await done;
  expect(closed).toBe(true);
});
