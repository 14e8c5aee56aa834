import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { digests, listing, makeTree } from "../src/copy/trees.fixture.ts";
import { seededRandom } from "../test/support/random.ts";
import { agentProgram } from "./testing/index.ts";

/** `/init pack` and `/init unpack` by themselves, compiled with what watches their memory. */

setDefaultTimeout(60_000);

let program: string;
let work: string;
let packed: Buffer;

beforeAll(async () => {
  program = await agentProgram();
  work = mkdtempSync(`${tmpdir()}/smolvm-pack-`);
  await makeTree(`${work}/tree`);
  packed = (await pack(`${work}/tree`)).output;
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const env = { ASAN_OPTIONS: "detect_leaks=0" };
const AS = 11;
const INTO = 10;
const order = (kind: number) => Buffer.concat([Buffer.from([kind]), Buffer.alloc(35)]);

async function finished(child: Bun.Subprocess<"pipe" | "ignore" | Blob, "pipe", "pipe">) {
  const [output, errors, exitCode] = await Promise.all([
    new Response(child.stdout).arrayBuffer(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect(errors).toBe("");
  expect([0, 1]).toContain(exitCode);
  return { output: Buffer.from(output), exitCode };
}

async function pack(path: string) {
  return await finished(
    Bun.spawn([program, "pack", path], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" }),
  );
}

async function unpack(path: string, ...records: Uint8Array[]) {
  const stdin = new Blob(records.map((record) => new Uint8Array(record)));
  return await finished(Bun.spawn([program, "unpack", path], { env, stdin, stdout: "pipe", stderr: "pipe" }));
}

/** Through a pipe, so that the kernel moves what is large. */
async function throughPipe(from: string, to: string): Promise<number> {
  const header = [...order(AS)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  const script = `{ printf '${header}'; "$0" pack "$1"; } | "$0" unpack "$2" > /dev/null`;
  const child = Bun.spawn(["bash", "-c", script, program, from, to], { env, stdout: "pipe", stderr: "pipe" });
  return (await finished(child)).exitCode;
}

const leftovers = (path: string) => readdirSync(path).filter((name) => name.startsWith(".smolvm-cp-"));

test("what is packed is what is unpacked, byte for byte or moved by the kernel", async () => {
  expect((await unpack(`${work}/one`, order(AS), packed)).exitCode).toBe(0);
  expect(await listing(`${work}/one`, { owners: true })).toBe(
    await listing(`${work}/tree`, { owners: true }),
  );
  expect(await digests(`${work}/one`)).toBe(await digests(`${work}/tree`));
  expect(await throughPipe(`${work}/tree`, `${work}/two`)).toBe(0);
  expect(await listing(`${work}/two`, { owners: true })).toBe(
    await listing(`${work}/tree`, { owners: true }),
  );
  expect(await digests(`${work}/two`)).toBe(await digests(`${work}/tree`));
});

test("sizes around those at which bytes travel in another way", async () => {
  mkdirSync(`${work}/sizes`);
  for (const base of [0, 4096, 64 * 1024, 256 * 1024, 1024 * 1024]) {
    for (const more of [-1, 0, 1, 12, 36]) {
      const size = Math.max(0, base + more);
      writeFileSync(`${work}/sizes/${base}${more}`, Buffer.alloc(size, `${base} ${more}`));
    }
  }
  expect(await throughPipe(`${work}/sizes`, `${work}/sizes-2`)).toBe(0);
  expect(await digests(`${work}/sizes-2`)).toBe(await digests(`${work}/sizes`));
});

test("512 directories in each other, and one more", async () => {
  for (const depth of [512, 513])
    mkdirSync(`${work}/nested-${depth}${"/d".repeat(depth - 1)}`, { recursive: true });
  expect(await throughPipe(`${work}/nested-512`, `${work}/nested`)).toBe(0);
  expect(await listing(`${work}/nested`)).toBe(await listing(`${work}/nested-512`));
  const { output, exitCode } = await pack(`${work}/nested-513`);
  expect([exitCode, output.includes("more than 512 directories in each other")]).toEqual([1, true]);
  expect((await unpack(`${work}/too-deep`, order(AS), output)).exitCode).toBe(1);
  expect(leftovers(work)).toEqual([]);
});

test("an input that ends anywhere leaves nothing", async () => {
  for (let at = 0; at < packed.length; at += 1 + Math.floor(packed.length / 60)) {
    const target = mkdtempSync(`${work}/cut-`);
    expect((await unpack(`${target}/new`, order(AS), packed.subarray(0, at))).exitCode).toBe(1);
    expect(readdirSync(target)).toEqual([]);
  }
});

test("no input makes it write elsewhere, or do what it must not", async () => {
  const random = seededRandom("input of unpack");
  const below = (most: number) => Math.floor(random() * most);
  mkdirSync(`${work}/small/d/e`, { recursive: true });
  for (const name of ["a", "d/b", "d/e/c"]) writeFileSync(`${work}/small/${name}`, name.repeat(20));
  Bun.spawnSync(["sh", "-c", "ln a d/again; ln -s a link; ln -s ../.. d/up"], { cwd: `${work}/small` });
  const small = (await pack(`${work}/small`)).output;
  mkdirSync(`${work}/victim`);
  const before = readdirSync(work).length;
  for (let round = 0; round < 150; round++) {
    const bytes = Buffer.from(small);
    for (let flips = 1 + below(4); flips > 0; flips--) {
      // Mostly in what is read as numbers and names.
      const at = below(bytes.length);
      bytes[at] = random() < 0.5 ? below(256) : ([0, 1, 46, 47, 255][below(5)] as number);
    }
    const target = `${work}/fuzz`;
    mkdirSync(target);
    await unpack(random() < 0.5 ? target : `${target}/new`, order(random() < 0.5 ? AS : INTO), bytes);
    expect(leftovers(target)).toEqual([]);
    Bun.spawnSync(["chmod", "-R", "u+rwx", target]);
    rmSync(target, { recursive: true });
    expect(readdirSync(work).length).toBe(before);
  }
});

test("a directory that is exchanged for a link all the time leads no file elsewhere", async () => {
  mkdirSync(`${work}/race/tree/deep/er`, { recursive: true });
  mkdirSync(`${work}/elsewhere`, { recursive: true });
  const swap = `while :; do
      mv deep away 2>/dev/null; ln -s ${work}/elsewhere deep 2>/dev/null; rm -f deep; mv away deep 2>/dev/null
    done`;
  const swapping = Bun.spawn(["sh", "-c", swap], { cwd: `${work}/race/tree`, stderr: "ignore" });
  try {
    for (let round = 0; round < 40; round++)
      await unpack(`${work}/race/tree`, order(INTO), contentsOf(packed));
  } finally {
    swapping.kill("SIGKILL");
    await swapping.exited;
  }
  expect(readdirSync(`${work}/elsewhere`)).toEqual([]);
});

/** The records of a packed directory without the directory itself. */
function contentsOf(records: Buffer): Buffer {
  return Buffer.concat([records.subarray(36, records.length - 72), records.subarray(records.length - 36)]);
}

test("a tree that changes while it is packed is packed as something whole", async () => {
  mkdirSync(`${work}/moving`);
  const change = `i=0; while :; do
      i=$((i+1)); head -c $((i % 400000)) /dev/zero > file; rm -f gone; mkdir -p dir/in; echo x > dir/in/x
      mv dir other 2>/dev/null; ln -s / dir 2>/dev/null; rm -f dir; rm -rf other
    done`;
  const changing = Bun.spawn(["sh", "-c", change], { cwd: `${work}/moving`, stderr: "ignore" });
  try {
    for (let round = 0; round < 40; round++) {
      const { output, exitCode } = await pack(`${work}/moving`);
      expect(exitCode).toBe(0);
      expect(output.includes("vmlinuz") || output.includes("etc/passwd")).toBe(false);
      expect((await unpack(`${work}/moved-${round}`, order(AS), output)).exitCode).toBe(0);
    }
  } finally {
    changing.kill("SIGKILL");
    await changing.exited;
  }
});

test("a full disk is its last word, and leaves nothing", async () => {
  // /dev/full stands for it nowhere: a tmpfs of a mount namespace of its own does.
  const script = `mount -t tmpfs -o size=200k none "$1" && "$0" unpack "$1/new" > "$2"; echo $?; ls -A "$1"`;
  mkdirSync(`${work}/full`);
  const stdin = new Blob([new Uint8Array(order(AS)), new Uint8Array(packed)]);
  const child = Bun.spawn(
    ["unshare", "-m", "bash", "-c", script, program, `${work}/full`, `${work}/answer`],
    { env, stdin, stdout: "pipe", stderr: "pipe" },
  );
  expect((await finished(child)).output.toString()).toBe("1\n");
  expect(readFileSync(`${work}/answer`).toString("latin1")).toContain("No space left on device");
});
