import { afterAll, expect } from "bun:test";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { loadSettings } from "../../../src/config/index.ts";
import { openImage } from "../../../src/image/index.ts";
import { readErofs } from "../../image/erofs-reader.ts";
import type { Listing } from "../../image/listing.ts";
import { checkWithFsck, type Scratch } from "../../image/tools.ts";
import type { PullHome } from "./pull-home.ts";

/** Stops what a test file started, in the opposite order. */
export function useServers() {
  const started: { stop: () => Promise<void> | void }[] = [];
  afterAll(async () => {
    for (const server of started.reverse()) await server.stop();
  });
  return <T extends { stop: () => Promise<void> | void }>(server: T): T => {
    started.push(server);
    return server;
  };
}

/** Bytes that no compressor makes smaller. */
export function randomBytes(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

/** The files of an image that was pulled, read by the tests' own reader, and checked by fsck.erofs. */
export async function pulledTree(home: PullHome, reference: string, scratch: Scratch): Promise<Listing> {
  const image = await openImage(reference, {
    cacheDir: home.cacheDir,
    policy: "never",
    loadSettings: () => loadSettings({ config: home.path }, home.env),
  });
  const disk = `${scratch.path}/disk-${image.id.slice(7, 19)}`;
  flatten(image.path, disk);
  image.release();
  checkWithFsck(disk);
  return readErofs(disk);
}

/** Writes the disk that a VMDK descriptor describes into one file (VMware Virtual Disk Format 5.0, "The Descriptor"). */
export function flatten(descriptor: string, path: string): void {
  const out = openSync(path, "w");
  const buffer = Buffer.alloc(1 << 20);
  let position = 0;
  for (const [, sectors, file = "", offset] of readFileSync(descriptor, "utf8").matchAll(
    /^(?:RW|RDONLY) (\d+) FLAT "([^"]+)" (\d+)$/gm,
  )) {
    const input = openSync(resolve(dirname(descriptor), file), "r");
    const end = (Number(offset) + Number(sectors)) * 512;
    for (let at = Number(offset) * 512; at < end; ) {
      const count = readSync(input, buffer, 0, Math.min(buffer.length, end - at), at);
      if (count === 0) throw new Error(`${file} ends before its extent`);
      writeSync(out, buffer, 0, count, position);
      at += count;
      position += count;
    }
    closeSync(input);
  }
  closeSync(out);
  if (position === 0) throw new Error(`${descriptor} describes no disk`);
}

/** Fields of the cache's documents that say when something happened. */
const TIMES = /"(?:createdAt|lastUsedAt|usedAt|pulledAt|at|writtenInBoot)": ?(?:"[^"]*"|[\d.]+)/g;

/** In a layer that is not yet safe from a power cut. */
const bootId = readFileSync("/proc/sys/kernel/random/boot_id").subarray(0, 36);

/** Every file of a cache of images with the digest of its contents, without times of day and marks of this boot. */
export function storeContents(images: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of (readdirSync(images, { recursive: true }) as string[]).sort()) {
    const path = `${images}/${name}`;
    if (!statSync(path).isFile()) continue;
    const bytes = readFileSync(path);
    const mark = name.endsWith(".entries") ? bytes.indexOf(bootId) : -1;
    if (mark >= 0) bytes.fill(0, mark, mark + bootId.length);
    const contents = name.endsWith(".json") ? bytes.toString().replaceAll(TIMES, "") : bytes;
    found.set(name, new Bun.CryptoHasher("sha256").update(contents).digest("hex"));
  }
  return found;
}

/** What is in a cache of images besides complete images, layers and references: it must be nothing. */
export function strays(images: string): string[] {
  let names: string[];
  try {
    names = readdirSync(images, { recursive: true }) as string[];
  } catch {
    return []; // there is no cache yet
  }
  const expected =
    /^(?:layers|refs|sources|store\.lock|[0-9a-f]{64}\.(?:json|erofs|vmdk)|layers\/[0-9a-f]{64,128}\.(?:data|entries)|refs\/[0-9a-f]+\.json)$/;
  return names.filter((name) => !expected.test(name));
}

/** Secrets are neither on the terminal nor in any file of the cache. */
export function expectNowhere(home: PullHome, secrets: readonly string[], said: readonly string[]): void {
  const cache = `${home.path}/cache`;
  const files = (existsSync(cache) ? (readdirSync(cache, { recursive: true }) as string[]) : [])
    .map((name) => `${cache}/${name}`)
    .filter((path) => statSync(path).isFile());
  for (const secret of secrets) {
    for (const text of said) expect(text).not.toContain(secret);
    expect(files.filter((path) => readFileSync(path).includes(secret))).toEqual([]);
  }
}
