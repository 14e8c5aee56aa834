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
import { type LayoutOptions, writeLayout } from "../../image/layout.ts";
import type { Listing } from "../../image/listing.ts";
import { checkWithFsck, Scratch } from "../../image/tools.ts";
import type { PullHome } from "./pull-home.ts";
import { type PushOptions, pushLayout } from "./push.ts";
import type { Server } from "./server.ts";

interface Stoppable {
  stop: () => Promise<void> | void;
}

/** What a test file of registries works with; all of it ends with the file. */
export interface RegistryFixture {
  /** Has something stopped at the end, in the opposite order. */
  readonly server: <T extends Stoppable>(server: T) => T;
  /** Of the file's own. */
  readonly scratch: Scratch;
  /** Makes an image of layers, by default in gzip, and pushes it. @returns its reference */
  readonly push: (
    registry: Pick<Server, "host">,
    layers: readonly Uint8Array[],
    name: string,
    options?: LayoutOptions & Pick<PushOptions, "credentials" | "authority">,
  ) => Promise<string>;
}

/** Sets up a test file of registries. To be called once, at its top. */
export function useRegistry(): RegistryFixture {
  const started: Stoppable[] = [];
  const scratch = new Scratch();
  afterAll(async () => {
    for (const server of started.reverse()) await server.stop();
    scratch[Symbol.dispose]();
  });
  let count = 0;
  return {
    scratch,
    server(server) {
      started.push(server);
      return server;
    },
    async push(registry, layers, name, { credentials, authority, ...layout } = {}) {
      const directory = scratch.directory(`pushed-${++count}`);
      writeLayout(directory, layers, { compression: "gzip", ...layout });
      const options = {
        credentials,
        authority,
      };
      return await pushLayout(registry, directory, name, options);
    },
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

/**
 * Writes the disk that a VMDK descriptor describes into one file (VMware Virtual Disk Format 5.0, "The
 * Descriptor").
 */
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
