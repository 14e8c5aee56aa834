import { close, constants, fstatSync, openSync, read } from "node:fs";
import { SmolError } from "../errors.ts";
import { readChunk } from "./chunk.ts";
import { type Blob, type Chunk, decodeIndex } from "./chunk-index.ts";
import { beyond, damaged, notAPack, unreadable } from "./failure.ts";
import {
  decodeFooter,
  decodeTable,
  ENTRY_BYTES,
  FOOTER_BYTES,
  type Section,
  SIGNATURE_BYTES,
} from "./format.ts";
import { limits } from "./limits.ts";
import { decodeManifest, type Manifest } from "./manifest.ts";
import { verifySignature } from "./sign.ts";
import { sha256 } from "./zeros.ts";

export interface OpenPackOptions {
  /** Public keys, hex (`readPublicKey`): the pack has to be signed with one of them. */
  readonly keys?: readonly string[] | undefined;
}

/** The kinds of sections that this program knows; others are passed over, unless they are critical. */
const KNOWN = ["manifest", "index", "chunks", "runtime"];

/**
 * A pack that is open for reading. Its table, signatures and manifest have been verified; everything else is when it
 * is read, before it is given out.
 */
export class Pack {
  /** Of the file; absolute or from the working directory, as it was given. */
  readonly path: string;
  readonly manifest: Manifest;
  /** SHA-256 of the section table, `sha256:<hex>`: the same for the same contents. */
  readonly digest: string;
  readonly sections: readonly Section[];
  /** Public keys, hex, of those who signed it. All of its signatures are right. */
  readonly signers: readonly string[];
  /** From its first byte to its last. */
  readonly bytes: number;
  /** Where it begins in the file: 0 for a sidecar, behind a program otherwise. */
  readonly start: number;
  readonly #file: number;
  #index: Promise<Map<string, Blob>> | undefined;

  /** @see openPack */
  constructor(file: number, path: string, parts: PackParts, manifest: Manifest) {
    this.#file = file;
    this.path = path;
    this.manifest = manifest;
    this.digest = `sha256:${parts.digest}`;
    this.sections = parts.sections;
    this.signers = parts.signers;
    this.bytes = parts.bytes;
    this.start = parts.start;
  }

  /** A blob, by its digest. @throws SmolError `pack.damaged` when the pack has none of that digest */
  async blob(digest: string): Promise<Blob> {
    this.#index ??= this.#readIndex();
    const blob = (await this.#index).get(digest);
    if (blob === undefined) throw damaged("the index");
    return blob;
  }

  /** All blobs. */
  async blobs(): Promise<Iterable<Blob>> {
    this.#index ??= this.#readIndex();
    return (await this.#index).values();
  }

  /**
   * The bytes of a chunk, verified before and after decompression.
   *
   * @returns undefined for one of zeros
   * @throws SmolError `pack.damaged`, `pack.unreadable`
   */
  async chunk(chunk: Chunk): Promise<Buffer | undefined> {
    const start = this.start + sectionOf(this.sections, "chunks").offset;
    return await readChunk(chunk, (position, bytes) =>
      readAt(this.#file, this.path, start + position, bytes),
    );
  }

  /**
   * The bytes of a section as they are stored, piece by piece, and an error behind the last one when they were not
   * right: nothing of them counts before that.
   *
   * @throws SmolError `pack.damaged`, `pack.unreadable`
   */
  async *stored(section: Section): AsyncGenerator<Buffer, void, void> {
    const hasher = new Bun.CryptoHasher("sha256");
    for (let done = 0; done < section.bytes; ) {
      const length = Math.min(PIECE, section.bytes - done);
      const piece = await readAt(this.#file, this.path, this.start + section.offset + done, length);
      hasher.update(piece);
      done += length;
      yield piece;
    }
    if (hasher.digest("hex") !== section.digest) throw damaged(describeSection(section));
  }

  /** `path`: how messages call it. */
  get name(): string {
    return this.path;
  }

  /** Itself: a pack that is a file has not to be fetched (`PackSource`). */
  async contents(): Promise<Pack> {
    return this;
  }

  /** Closes the file; nothing is read from it after that. */
  async close(): Promise<void> {
    await closed(this.#file);
  }

  async #readIndex(): Promise<Map<string, Blob>> {
    const section = sectionOf(this.sections, "index");
    const bytes = await readSection(this.#file, this.path, this.start, section, MAX_INDEX_BYTES);
    return decodeIndex(bytes, sectionOf(this.sections, "chunks").bytes);
  }
}

const PIECE = 1024 * 1024;
const MAX_INDEX_BYTES = 80 * limits.chunks + 48 * limits.blobs;

interface PackParts {
  readonly sections: readonly Section[];
  readonly signers: readonly string[];
  readonly digest: string;
  readonly bytes: number;
  readonly start: number;
}

/**
 * Opens a `.smolmachine` file, or a program that one was appended to, and verifies what everything in it hangs on:
 * footer, table, signatures, manifest. That takes about a millisecond, whatever the pack's size.
 *
 * @throws SmolError `pack.not_found`, `pack.not_a_pack`, `pack.damaged`, `pack.unsupported`, `pack.not_signed`,
 * `pack.bad_signature`, `pack.secrets`, `pack.limit`, `pack.unreadable`
 */
export async function openPack(path: string, options: OpenPackOptions = {}): Promise<Pack> {
  const file = openFile(path);
  try {
    const parts = await readParts(file, path, options.keys ?? []);
    const section = sectionOf(parts.sections, "manifest");
    const bytes = await readSection(file, path, parts.start, section, limits.manifestBytes);
    return new Pack(file, path, parts, decodeManifest(bytes));
  } catch (error) {
    await closed(file);
    throw error;
  }
}

async function readParts(file: number, path: string, keys: readonly string[]): Promise<PackParts> {
  const { size } = fstatSync(file);
  if (size < FOOTER_BYTES) throw notAPack(path);
  const footer = decodeFooter(await readAt(file, path, size - FOOTER_BYTES, FOOTER_BYTES), path);
  const signaturesBytes = footer.signatures * SIGNATURE_BYTES;
  const tableBytes = footer.sections * ENTRY_BYTES;
  const tableAt = footer.packBytes - FOOTER_BYTES - signaturesBytes - tableBytes;
  const start = size - footer.packBytes;
  if (tableAt < 0 || start < 0) throw damaged("its length");
  const table = await readAt(file, path, start + tableAt, tableBytes);
  if (sha256(table) !== footer.digest) throw damaged("the section table");
  const signatures = await readAt(file, path, start + tableAt + tableBytes, signaturesBytes);
  const signers = verifySignatures(signatures, footer.digest, keys);
  const sections = decodeTable(table, tableAt);
  const unknown = sections.find(({ kind, critical }) => critical && !KNOWN.includes(kind));
  if (unknown !== undefined) {
    throw new SmolError(
      "pack.unsupported",
      `the pack has a part that this smolvm does not know: ${unknown.kind}`,
      {
        hint: "a newer smolvm reads it",
      },
    );
  }
  return { sections, signers, digest: footer.digest, bytes: footer.packBytes, start };
}

/** Before anything that was signed is looked at. @returns the signers, hex */
function verifySignatures(records: Buffer, digest: string, keys: readonly string[]): string[] {
  const signers: string[] = [];
  for (let at = 0; at < records.length; at += SIGNATURE_BYTES) {
    const signer = verifySignature(records.subarray(at, at + SIGNATURE_BYTES), digest);
    if (signer === undefined) {
      throw new SmolError(
        "pack.bad_signature",
        "a signature of the pack is not right: it, or the pack, was changed",
      );
    }
    signers.push(signer);
  }
  if (keys.length === 0 || keys.some((key) => signers.includes(key))) return signers;
  const by = signers.length === 0 ? "it is not signed" : `it is signed by ${signers.join(", ")}`;
  throw new SmolError("pack.not_signed", `the pack is not signed with the key of --verify-key: ${by}`);
}

function sectionOf(sections: readonly Section[], kind: string): Section {
  const found = sections.find((section) => section.kind === kind && section.name === "");
  if (found === undefined) throw damaged("the section table");
  return found;
}

const describeSection = ({ kind, name }: Section) => `its ${kind}${name === "" ? "" : ` for ${name}`}`;

async function readSection(
  file: number,
  path: string,
  start: number,
  section: Section,
  most: number,
): Promise<Buffer> {
  if (section.encoding !== "raw") throw damaged("the section table");
  if (section.bytes > most) throw beyond(`a ${section.kind} of more than ${most} bytes`);
  const bytes = await readAt(file, path, start + section.offset, section.bytes);
  if (sha256(bytes) !== section.digest) throw damaged(describeSection(section));
  return bytes;
}

function openFile(path: string): number {
  let file: number;
  try {
    // A FIFO would wait for who writes to it.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (fstatSync(file).isFile()) return file;
  void closed(file);
  throw notAPack(path);
}

const closed = (file: number): Promise<void> => new Promise((resolve) => close(file, () => resolve()));

async function readAt(file: number, path: string, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  try {
    for (let done = 0; done < length; ) {
      const count = await readOnce(file, bytes, done, position + done);
      if (count === 0) throw damaged("its length");
      done += count;
    }
    return bytes;
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Elsewhere than on this thread: the file may be on a slow disk. (A FileHandle must not be left to the collector.) */
function readOnce(file: number, bytes: Buffer, offset: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(file, bytes, offset, bytes.length - offset, position, (error, count) =>
      error === null ? resolve(count) : reject(error),
    );
  });
}
