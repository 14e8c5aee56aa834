/** What the tests of this folder share: archives made by hand, and images read back. */
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readErofs } from "../../test/image/erofs-reader.ts";
import type { Listing } from "../../test/image/listing.ts";
import { type WriteErofsOptions, writeErofsFromTar } from "./index.ts";
import { LayerRecorder, type Totals } from "./layer/index.ts";

export interface Member {
  readonly path?: string | undefined;
  /** Type flag; default "0", a file. */
  readonly type?: string | undefined;
  readonly data?: Uint8Array | string | undefined;
  /** What the header says; default: the length of `data`. */
  readonly size?: number | undefined;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly mtime?: number | undefined;
  readonly target?: string | undefined;
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  /** Magic and version, 8 bytes; default POSIX. */
  readonly magic?: string | undefined;
  readonly prefix?: string | undefined;
  /** Records of an extended header before the member. */
  readonly pax?: Readonly<Record<string, string>> | undefined;
  /** Changes the finished header; the checksum is computed afterwards. */
  readonly edit?: ((header: Buffer) => void) | undefined;
}

/** An archive of these members, with its end mark. Strings are byte strings. */
export function tarOf(...members: readonly Member[]): Buffer {
  return Buffer.concat([...members.flatMap(partsOf), Buffer.alloc(1024)]);
}

/** The blocks of some members, without an end mark. */
export function membersOf(...members: readonly Member[]): Buffer {
  return Buffer.concat(members.flatMap(partsOf));
}

function partsOf(member: Member): Buffer[] {
  const { pax, ...rest } = member;
  const data = Buffer.from(
    typeof member.data === "string" ? Buffer.from(member.data, "latin1") : (member.data ?? Buffer.alloc(0)),
  );
  const extended = pax === undefined ? [] : partsOf({ path: "pax", type: "x", data: paxOf(pax) });
  return [...extended, headerOf(rest, data.length), data, Buffer.alloc((512 - (data.length % 512)) % 512)];
}

export function paxOf(records: Readonly<Record<string, string>>): string {
  return Object.entries(records)
    .map(([key, value]) => {
      const length = key.length + value.length + 3;
      let total = length + String(length).length;
      total = length + String(total).length;
      return `${total} ${key}=${value}\n`;
    })
    .join("");
}

function headerOf(member: Member, length: number): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, size: number) =>
    header.write(value.toString(8).padStart(size - 1, "0"), at, size, "latin1");
  header.write(member.path ?? "file", 0, 100, "latin1");
  octal(member.mode ?? 0o644, 100, 8);
  octal(member.uid ?? 0, 108, 8);
  octal(member.gid ?? 0, 116, 8);
  octal(member.size ?? length, 124, 12);
  octal(member.mtime ?? 0, 136, 12);
  header.write(member.type ?? "0", 156, 1, "latin1");
  header.write(member.target ?? "", 157, 100, "latin1");
  header.write(member.magic ?? "ustar\x0000", 257, 8, "latin1");
  octal(member.major ?? 0, 329, 8);
  octal(member.minor ?? 0, 337, 8);
  header.write(member.prefix ?? "", 345, 155, "latin1");
  member.edit?.(header);
  header.write("        ", 148, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8, "latin1");
  return header;
}

/** A stream of chunks. */
export async function* chunksOf(
  ...chunks: readonly Uint8Array[]
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks;
}

/** A directory that is gone after `action`. */
export async function withDirectory<Result>(action: (directory: string) => Promise<Result>): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), "smolvm-image-"));
  try {
    return await action(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A recorder whose files are gone after `action`. @param files gets their paths. */
export async function withRecorder<Result>(
  action: (recorder: LayerRecorder, files: { data: string; entries: string }) => Promise<Result>,
  totals: Totals = { entries: 0, bytes: 0 },
): Promise<Result> {
  return await withDirectory(async (directory) => {
    const files = { data: join(directory, "data"), entries: join(directory, "entries") };
    const [data, entries] = [openSync(files.data, "w+"), openSync(files.entries, "w+")];
    const recorder = new LayerRecorder({ data, dataStart: 0, entries }, totals, true);
    try {
      return await action(recorder, files);
    } finally {
      recorder.close();
      closeSync(data);
      closeSync(entries);
    }
  });
}

/** Applies archives one over the other, and lists the image that comes out. */
export async function imageOf(layers: readonly Uint8Array[], options?: WriteErofsOptions): Promise<Listing> {
  return await withDirectory(async (directory) => {
    const path = join(directory, "image");
    await writeErofsFromTar(
      layers.map((layer) => chunksOf(layer)),
      path,
      options,
    );
    return readErofs(path);
  });
}

/** The paths of an image, without the root. */
export async function pathsOf(...layers: readonly Uint8Array[]): Promise<string[]> {
  return [...(await imageOf(layers)).keys()].filter((path) => path !== "/");
}
