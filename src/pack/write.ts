import type { KeyObject } from "node:crypto";
import { closeSync, fchmodSync, fstatSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { SmolError } from "../errors.ts";
import { NewFile } from "../image/newfile.ts";
import { type MadeChunk, makeChunk } from "./chunk.ts";
import { type Blob, blobDigest, CHUNK, type Chunk, encodeIndex } from "./chunk-index.ts";
import { beyond, unwritable } from "./failure.ts";
import {
  ENTRY_BYTES,
  encodeFooter,
  encodeSection,
  FOOTER_BYTES,
  type Section,
  SIGNATURE_BYTES,
} from "./format.ts";
import { limits } from "./limits.ts";
import { encodeManifest, type Manifest } from "./manifest.ts";
import { signDigest } from "./sign.ts";
import { sha256 } from "./zeros.ts";

/** What a host of a platform needs beside a pack when it has no smolvm. What it is, stub/ knows. */
export interface RuntimeFile {
  /** `linux/amd64`. */
  readonly platform: string;
  readonly path: string;
  readonly encoding: Section["encoding"];
  /** Bytes after decompression. */
  readonly contentBytes: number;
  /** SHA-256 of the file, hex, when it is one that the cache keeps: it may have been damaged since. */
  readonly digest?: string | undefined;
}

export interface FinishOptions {
  readonly manifest: Manifest;
  readonly runtimes?: readonly RuntimeFile[] | undefined;
  readonly signWith?: KeyObject | undefined;
}

export interface AddOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes more have been read. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** What was written. */
export interface WrittenPack {
  /** See `Pack.digest`. */
  readonly digest: string;
  readonly bytes: number;
  /** Of the section `chunks`: what the layers and disks take. */
  readonly chunkBytes: number;
}

/** Chunks that are compressed at the same time, on threads of the runtime. */
const PARALLEL = 4;

/**
 * zstd's default: faster levels save no time behind the hashing, and 6 takes twice as long for 4 % less (measured on
 * python:3.12-alpine).
 */
const LEVEL = 3;

/**
 * Writes a pack: first all blobs, then the rest. The file appears complete or not at all, also when the process is
 * killed. The same blobs in the same order, with the same manifest, give the same bytes.
 *
 *     const writer = new PackWriter(path);
 *     try {
 *       const blob = await writer.add(file, start, end);
 *       await writer.finish({ manifest });
 *     } finally {
 *       writer.close();
 *     }
 */
export class PackWriter {
  readonly #path: string;
  readonly #file: NewFile;
  readonly #blobs = new Map<string, Blob>();
  /** Where chunks that were written are, by the digest of their bytes. */
  readonly #places = new Map<string, Chunk>();
  #position: number;
  readonly #start: number;

  /**
   * @param path which appears at the end; a file that is there is replaced
   * @param program file that the pack is appended to: its bytes are the first ones of the file
   * @throws SmolError `pack.no_space`, `pack.unwritable`
   */
  constructor(path: string, program?: string) {
    this.#path = path;
    this.#file = this.#attempt(() => new NewFile(dirname(path)));
    try {
      this.#position = program === undefined ? 0 : this.#copy(program, 0).bytes;
      if (program !== undefined) fchmodSync(this.#file.fd, 0o777 & ~process.umask());
    } catch (error) {
      this.close();
      throw error;
    }
    this.#start = this.#position;
  }

  /**
   * Adds the bytes of an open file from `start` to `end`, of which nothing may change meanwhile. Bytes beyond the
   * file's end are zeros.
   *
   * @throws SmolError `pack.no_space`, `pack.unwritable`, `pack.limit`; the signal's reason
   */
  async add(fd: number, start: number, end: number, options: AddOptions = {}): Promise<Blob> {
    const chunks: Chunk[] = [];
    const waiting: Promise<MadeChunk>[] = [];
    const takeFirst = async () => {
      const made = await (waiting.shift() as Promise<MadeChunk>);
      chunks.push(this.#place(made));
    };
    try {
      for (let at = start; at < end; at += CHUNK) {
        options.signal?.throwIfAborted();
        waiting.push(makeChunk(readChunkAt(fd, at, Math.min(CHUNK, end - at)), LEVEL));
        if (waiting.length >= PARALLEL) await takeFirst();
        options.onBytes?.(Math.min(CHUNK, end - at));
      }
      while (waiting.length > 0) await takeFirst();
    } finally {
      await Promise.allSettled(waiting);
    }
    const blob = { digest: blobDigest(chunks), bytes: end - start, chunks };
    this.#blobs.set(blob.digest, blob);
    return blob;
  }

  /**
   * Writes what is not blobs, and gives the file its name.
   *
   * @throws SmolError `pack.no_space`, `pack.unwritable`, `pack.limit`, `pack.runtime_damaged`
   */
  finish({ manifest, runtimes = [], signWith }: FinishOptions): WrittenPack {
    const chunkBytes = this.#position - this.#start;
    const zeros = "0".repeat(64);
    const sections: Section[] = [describe("chunks", 0, chunkBytes, zeros)];
    const count = [...this.#blobs.values()].reduce((sum, { chunks }) => sum + chunks.length, 0);
    if (count > limits.chunks) throw beyond(`more than ${limits.chunks} chunks: it is too large`);
    sections.push(this.#section("index", encodeIndex([...this.#blobs.values()])));
    sections.push(this.#section("manifest", encodeManifest(manifest)));
    for (const runtime of runtimes) sections.push(this.#runtime(runtime));
    const table = Buffer.concat(sections.map(encodeSection));
    const digest = sha256(table);
    const signatures = signWith === undefined ? Buffer.alloc(0) : signDigest(digest, signWith);
    const packBytes = this.#position - this.#start + table.length + signatures.length + FOOTER_BYTES;
    const footer = encodeFooter({
      packBytes,
      sections: table.length / ENTRY_BYTES,
      signatures: signatures.length / SIGNATURE_BYTES,
      digest,
    });
    this.#append(Buffer.concat([table, signatures, footer]));
    this.#attempt(() => this.#file.commit(this.#path));
    return { digest: `sha256:${digest}`, bytes: packBytes, chunkBytes };
  }

  /** Closes the file; one that was not finished is gone. */
  close(): void {
    this.#file.discard();
  }

  #place({ frame, ...made }: MadeChunk): Chunk {
    const known = this.#places.get(made.digest);
    if (known !== undefined) return known;
    const chunk = { ...made, position: frame === undefined ? 0 : this.#position - this.#start };
    if (frame !== undefined) this.#append(frame);
    this.#places.set(made.digest, chunk);
    return chunk;
  }

  #section(kind: string, bytes: Buffer): Section {
    const offset = this.#position - this.#start;
    this.#append(bytes);
    return describe(kind, offset, bytes.length, sha256(bytes));
  }

  #runtime({ platform, path, encoding, contentBytes, digest: known }: RuntimeFile): Section {
    const offset = this.#position - this.#start;
    const { bytes, digest } = this.#copy(path, this.#position);
    if (known !== undefined && digest !== known) {
      rmSync(path, { force: true });
      throw new SmolError("pack.runtime_damaged", `the smolvm for ${platform} in the cache was damaged`, {
        hint: "try again: it is made anew",
      });
    }
    this.#position += bytes;
    const content = encoding === "raw" ? bytes : contentBytes;
    return {
      kind: "runtime",
      name: platform,
      offset,
      bytes,
      contentBytes: content,
      encoding,
      critical: false,
      digest,
    };
  }

  #append(bytes: Uint8Array): void {
    this.#attempt(() => writeFully(this.#file.fd, bytes, this.#position));
    this.#position += bytes.length;
  }

  /** Copies a whole file to a position. */
  #copy(path: string, position: number): { bytes: number; digest: string } {
    return this.#attempt(() => {
      const fd = openSync(path, "r");
      try {
        const { size } = fstatSync(fd);
        const hasher = new Bun.CryptoHasher("sha256");
        for (let done = 0; done < size; done += CHUNK) {
          const piece = readChunkAt(fd, done, Math.min(CHUNK, size - done));
          hasher.update(piece);
          writeFully(this.#file.fd, piece, position + done);
        }
        return { bytes: size, digest: hasher.digest("hex") };
      } finally {
        closeSync(fd);
      }
    });
  }

  #attempt<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (error) {
      throw unwritable(this.#path, error);
    }
  }
}

function describe(kind: string, offset: number, bytes: number, digest: string): Section {
  return { kind, name: "", offset, bytes, contentBytes: bytes, encoding: "raw", critical: true, digest };
}

function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

/** A buffer of its own each time: threads read it while the next one is filled. */
export function readChunkAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const count = readSync(fd, bytes, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return bytes;
}
