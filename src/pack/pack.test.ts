import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createPrivateKey } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { CHUNK } from "./chunk-index.ts";
import { codeOf, manifestOf, noise, writePack } from "./pack.fixture.ts";
import { openPack } from "./read.ts";
import { makeKeys, readPublicKey } from "./sign.ts";
import { verifyPack } from "./verify.ts";

setDefaultTimeout(60_000);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-pack-`);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const file = (name: string) => `${directory}/${name}`;

/** Three chunks: noise, zeros, noise; and the first one once more. */
const content = Buffer.concat([
  noise(CHUNK, 1),
  Buffer.alloc(CHUNK),
  noise(1000, 2),
  Buffer.alloc(CHUNK - 1000),
  noise(CHUNK, 1),
]);

async function readBlob(path: string, digest: string): Promise<Buffer> {
  const pack = await openPack(path);
  try {
    const { chunks } = await pack.blob(digest);
    const parts = await Promise.all(
      chunks.map(async (chunk) => (await pack.chunk(chunk)) ?? Buffer.alloc(chunk.bytes)),
    );
    return Buffer.concat(parts);
  } finally {
    await pack.close();
  }
}

const openAndVerify = async (path: string) => {
  const pack = await openPack(path);
  try {
    await verifyPack(pack);
  } finally {
    await pack.close();
  }
};

test("what is written is read: bytes, manifest, sections; the same chunk is there once, zeros are not", async () => {
  const runtime = file("runtime");
  writeFileSync(runtime, "what a host needs");
  const manifest = manifestOf({ image: "näme", env: ["A=1"] });
  const runtimes = [{ platform: "linux/amd64", path: runtime, encoding: "raw", contentBytes: 17 } as const];
  const written = await writePack(file("whole"), content, { manifest, runtimes });
  expect(await readBlob(file("whole"), written.blob)).toEqual(content);
  expect(written.chunkBytes).toBeLessThan(CHUNK + 8192);
  const pack = await openPack(file("whole"));
  expect(pack.manifest).toEqual(manifest);
  expect(pack.digest).toBe(written.digest);
  expect(pack.bytes).toBe(written.bytes);
  const section = pack.sections.find(({ kind, name }) => kind === "runtime" && name === "linux/amd64");
  if (section === undefined) throw new Error("no runtime");
  expect(Buffer.concat(await Array.fromAsync(pack.stored(section))).toString()).toBe("what a host needs");
  await verifyPack(pack);
  await pack.close();
});

test("the same input gives the same bytes", async () => {
  await writePack(file("one"), content);
  await writePack(file("two"), content);
  expect(readFileSync(file("one")).equals(readFileSync(file("two")))).toBe(true);
});

test("a pack behind a program is found", async () => {
  writeFileSync(file("program"), noise(12_345, 3));
  const { blob } = await writePack(file("single"), content, { program: file("program") });
  expect(readFileSync(file("single")).subarray(0, 12_345).equals(noise(12_345, 3))).toBe(true);
  expect(await readBlob(file("single"), blob)).toEqual(content);
});

test("each of 1,000 packs with a flipped bit is refused", async () => {
  const runtime = file("flip-runtime");
  writeFileSync(runtime, noise(2000, 9));
  const { privateKey } = makeKeys();
  await writePack(file("sound"), Buffer.concat([noise(20_000, 5), Buffer.alloc(CHUNK)]), {
    runtimes: [{ platform: "linux/amd64", path: runtime, encoding: "raw", contentBytes: 2000 }],
    signWith: createPrivateKey(privateKey),
  });
  const sound = readFileSync(file("sound"));
  await openAndVerify(file("sound"));
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const places = noise(4000, seed);
  const accepted: number[] = [];
  for (let index = 0; index < 1000; index++) {
    // Half of them in the last kilobyte, where everything hangs on.
    const range = index % 2 === 0 ? sound.length : 1024;
    const bit = places.readUInt32LE(index * 4) % (range * 8);
    const place = sound.length - range + (bit >> 3);
    const flipped = Buffer.from(sound);
    flipped[place] = (flipped[place] ?? 0) ^ (1 << (bit & 7));
    writeFileSync(file("flipped"), flipped);
    const code = await codeOf(() => openAndVerify(file("flipped")));
    if (code === "accepted") accepted.push(place);
    else expect(code).toMatch(/^pack\.(damaged|not_a_pack|unsupported|bad_signature|limit)$/);
  }
  expect({ seed, accepted }).toEqual({ seed, accepted: [] });
});

test("a truncated pack is refused, wherever it ends", async () => {
  const { bytes } = await writePack(file("long"), content);
  for (const length of [0, 1, 63, 64, 1000, CHUNK, bytes - 64, bytes - 1]) {
    writeFileSync(file("short"), readFileSync(file("long")));
    truncateSync(file("short"), length);
    expect([length, await codeOf(() => openPack(file("short")))]).toEqual([length, "pack.not_a_pack"]);
  }
});

test("what is no pack, and what another program made, is told apart", async () => {
  expect(await codeOf(() => openPack(file("nothing")))).toBe("pack.not_found");
  expect(await codeOf(() => openPack(directory))).toBe("pack.not_a_pack");
  const upstream = Buffer.alloc(64);
  upstream.write("SMOLPACK");
  upstream.writeUInt32LE(1, 8);
  writeFileSync(file("upstream"), upstream);
  expect(await codeOf(() => openPack(file("upstream")))).toBe("pack.unsupported");
});

test("a manifest with secrets, or of a later format, is refused", async () => {
  for (const [extra, code] of [
    [{ secret_refs: { TOKEN: { from_env: "TOKEN" } } }, "pack.secrets"],
    [{ format: 2 }, "pack.unsupported"],
    [{ layers: [] }, "pack.damaged"],
    [{ cpus: 0 }, "pack.damaged"],
  ] as const) {
    const { decodeManifest, encodeManifest } = await import("./manifest.ts");
    const value = { ...JSON.parse(encodeManifest(manifestOf()).toString()), ...extra };
    expect(await codeOf(async () => decodeManifest(Buffer.from(JSON.stringify(value))))).toBe(code);
  }
});

test("a chunk with a second, larger frame behind its own takes no memory for it", async () => {
  const small = Buffer.alloc(1000, "s");
  const frames = [Bun.zstdCompressSync(small), Bun.zstdCompressSync(Buffer.alloc(1 << 30))];
  writeFileSync(file("frames"), Buffer.concat(frames));
  // A process of its own: the most that one ever held can be asked for, and tests before this one held much. Asked of
  // its memory (VmHWM, proc(5)) and not by getrusage(2), whose figure a new process takes over from the one it came of.
  const script = `
    const { readFileSync } = await import("node:fs");
    const { readChunk } = await import("${import.meta.dir}/chunk.ts");
    const sha256 = (bytes) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    const stored = readFileSync("${file("frames")}");
    const digests = { digest: sha256(Buffer.alloc(1000, "s")), storedDigest: sha256(stored) };
    const chunk = { position: 0, storedBytes: stored.length, bytes: 1000, ...digests };
    const code = await readChunk(chunk, async () => stored).then(() => "read", (error) => error.code);
    const mostKiB = Number(/VmHWM:\\s+(\\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
    console.log(JSON.stringify({ code, mostKiB }));`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const told: unknown = await new Response(child.stdout).json();
  const { code, mostKiB } = told as { code: string; mostKiB: number };
  expect(code).toBe("pack.damaged");
  expect(mostKiB).toBeLessThan(2 ** 19);
});

test("a network that reaches what is the host's own is refused, by whatever rule", async () => {
  const { decodeManifest, encodeManifest } = await import("./manifest.ts");
  const network = { egress: "list" as const, allow_presets: [], check_server_name: false, add_hosts: [] };
  const rules = { allow_hosts: ["example.com"], allow_cidrs: ["10.0.0.0/8", "0.0.0.0/0"], dns: ["1.1.1.1"] };
  const codeFor = (changes: Partial<typeof rules>) =>
    codeOf(async () =>
      decodeManifest(encodeManifest(manifestOf({ network: { ...network, ...rules, ...changes } }))),
    );
  expect(await codeFor({})).toBe("accepted");
  for (const range of ["127.0.0.1", "127.0.0.0/8:80/tcp", "169.254.169.254/32", "::1", "::ffff:127.0.0.1"])
    expect([range, await codeFor({ allow_cidrs: [range] })]).toEqual([range, "pack.reaches_host"]);
  for (const host of ["127.0.0.1", "host.smolvm.internal:5432", "[::1]:80"])
    expect([host, await codeFor({ allow_hosts: [host] })]).toEqual([host, "pack.reaches_host"]);
  for (const server of ["127.0.0.53", "169.254.169.254:53", "[::1]:5353"])
    expect([server, await codeFor({ dns: [server] })]).toEqual([server, "pack.reaches_host"]);
});

describe("signatures", () => {
  test("a pack is accepted with its signer's key, and with no other", async () => {
    const [ours, others] = [makeKeys(), makeKeys()];
    writeFileSync(file("ours.pub"), ours.publicKey);
    writeFileSync(file("others.pub"), others.publicKey);
    await writePack(file("signed"), content, { signWith: createPrivateKey(ours.privateKey) });
    const keys = [readPublicKey(file("ours.pub"))];
    const pack = await openPack(file("signed"), { keys });
    expect(pack.signers).toEqual(keys);
    await pack.close();
    const wrong = [readPublicKey(file("others.pub"))];
    expect(await codeOf(() => openPack(file("signed"), { keys: wrong }))).toBe("pack.not_signed");
    await writePack(file("unsigned"), content);
    expect(await codeOf(() => openPack(file("unsigned"), { keys }))).toBe("pack.not_signed");
  });

  test("openssl makes the same of keys and signatures", async () => {
    const { privateKey, publicKey } = makeKeys();
    writeFileSync(file("key.pem"), privateKey);
    writeFileSync(file("key.pub"), publicKey);
    const { digest } = await writePack(file("judged"), content, { signWith: createPrivateKey(privateKey) });
    const bytes = readFileSync(file("judged"));
    writeFileSync(file("signature"), bytes.subarray(-64 - 64, -64));
    const version = Buffer.from([16, 0, 0, 0]);
    const message = Buffer.concat([
      Buffer.from("SMOLPACK signature\0"),
      version,
      Buffer.from(digest.slice(7), "hex"),
    ]);
    writeFileSync(file("message"), message);
    const verify = ["pkeyutl", "-verify", "-pubin", "-inkey", file("key.pub"), "-rawin"];
    const run = Bun.spawnSync(["openssl", ...verify, "-in", file("message"), "-sigfile", file("signature")]);
    expect(run.stdout.toString()).toContain("Signature Verified Successfully");
  });

  test("a file that is no key is refused", async () => {
    writeFileSync(file("no-key"), "no key");
    expect(await codeOf(async () => readPublicKey(file("no-key")))).toBe("pack.bad_key");
    expect(await codeOf(async () => readPublicKey(file("missing-key")))).toBe("pack.bad_key");
  });
});

test("nothing is left of a pack that is not finished, or does not fit", async () => {
  const limited = `${directory}/limited`;
  // Blocks of 512 bytes: what is packed fits, the pack does not.
  const script = `ulimit -f 8; trap '' XFSZ; exec "$0" "$@"`;
  const fixture = `${import.meta.dir}/pack.fixture.ts`;
  const program = `
    const { writePack, noise } = await import(${JSON.stringify(fixture)});
    process.on("SIGXFSZ", () => {});
    const error = await writePack(${JSON.stringify(limited)}, noise(4000, 1)).catch((error) => error);
    console.log(error.code);
  `;
  const run = Bun.spawnSync(["sh", "-c", script, process.execPath, "-e", program]);
  expect(run.stdout.toString() + run.stderr.toString()).toBe("pack.no_space\n");
  expect(readdirSync(directory).filter((name) => name === "limited")).toEqual([]);
});
