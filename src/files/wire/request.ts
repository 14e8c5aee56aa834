import { Errno, refuse } from "../errno.ts";
import { IN_HEADER, MAX_REQUEST } from "./opcodes.ts";

/** A request, taken apart as far as its header goes. The bytes are the guest's: every look at them is checked. */
export class FuseRequest {
  readonly opcode: number;
  readonly unique: bigint;
  readonly node: number;
  readonly uid: number;
  readonly gid: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = IN_HEADER;

  /** @param bytes one whole request, at least its header */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.opcode = this.#view.getUint32(4, true);
    this.unique = this.#view.getBigUint64(8, true);
    // A number that is no file's is as good as any other that is none.
    this.node = Number(this.#view.getBigUint64(16, true));
    this.uid = this.#view.getUint32(24, true);
    this.gid = this.#view.getUint32(28, true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  /** A size, offset or number of at most 2^53 - 1. @throws FileError EFBIG for more */
  number(): number {
    const value = Number(this.u64());
    return Number.isSafeInteger(value) ? value : refuse(Errno.EFBIG);
  }

  /** A handle. What is none of ours is found out by who looks it up. */
  handle(): number {
    return Number(this.u64());
  }

  skip(bytes: number): void {
    this.#take(bytes);
  }

  /** So many bytes of the request itself: valid as long as that is. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** A text up to its NUL, a character for each byte. @throws FileError EINVAL where there is no end */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#offset);
    if (end < 0) refuse(Errno.EINVAL);
    const text = Buffer.from(
      this.#bytes.buffer,
      this.#bytes.byteOffset + this.#offset,
      end - this.#offset,
    ).toString("latin1");
    this.#offset = end + 1;
    return text;
  }

  #take(length: number): number {
    const start = this.#offset;
    if (start + length > this.#bytes.length) refuse(Errno.EINVAL);
    this.#offset = start + length;
    return start;
  }
}

/** A request whose length cannot be: the stream of them cannot go on. */
export class RequestError extends Error {
  override name = "RequestError";
}

/** Cuts a stream of bytes into requests, which begin with their length. Keeps at most one that is not complete. */
export class RequestReader {
  #kept: Uint8Array | undefined;
  #length = 0;

  /**
   * The requests that these bytes complete; each is valid until the next is asked for.
   *
   * @throws RequestError for a length that is shorter than a header, or longer than any request
   */
  *read(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#length === 0 && rest.length >= 4) {
        const size = sizeOf(rest);
        if (rest.length >= size) {
          yield rest.subarray(0, size);
          rest = rest.subarray(size);
          continue;
        }
      }
      rest = rest.subarray(this.#keep(rest));
      const whole = this.#taken();
      if (whole !== undefined) yield whole;
    }
  }

  /** Keeps what is missing of one; returns how much that was. */
  #keep(chunk: Uint8Array): number {
    this.#kept ??= new Uint8Array(MAX_REQUEST);
    const wanted = this.#length < 4 ? 4 : sizeOf(this.#kept);
    const part = chunk.subarray(0, wanted - this.#length);
    this.#kept.set(part, this.#length);
    this.#length += part.length;
    return part.length;
  }

  /** The one that was kept, when it is complete. */
  #taken(): Uint8Array | undefined {
    if (this.#kept === undefined || this.#length < 4) return undefined;
    const size = sizeOf(this.#kept);
    if (this.#length < size) return undefined;
    this.#length = 0;
    return this.#kept.subarray(0, size);
  }
}

function sizeOf(bytes: Uint8Array): number {
  const size = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  if (size < IN_HEADER || size > MAX_REQUEST) throw new RequestError(`a request of ${size} bytes`);
  return size;
}
