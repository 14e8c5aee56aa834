/**
 * Fields: the payloads between the machine process and the guest's agent (docs/protocol.md). A payload is a sequence of
 * fields: u8 tag, u24 length (big endian), value.
 */
import { ProtocolError } from "../protocol/index.ts";
import { decodeByteString, encodeByteString } from "../surrogate-escape.ts";

/** Bytes of a field before its value. */
const FIELD_HEADER_BYTES = 4;

/** What u24 holds. */
const MAX_FIELD_BYTES = 0xff_ffff;

const MAX_INT_BYTES = 8;

/** Builds a payload, field by field. Nothing is written for a value that is undefined. */
export class FieldWriter {
  #parts: Uint8Array[] = [];
  #length = 0;

  /** @param prefix bytes before the first field, e.g. the verb of an `open` */
  constructor(prefix: readonly number[] = []) {
    if (prefix.length > 0) this.#append(Uint8Array.from(prefix));
  }

  /** A number from 0 to 2^64 - 1, in as few bytes as it needs. */
  int(tag: number, value: number | bigint | undefined): this {
    if (value === undefined) return this;
    if (value < 0 || (typeof value === "number" && !Number.isSafeInteger(value)) || value >= 1n << 64n)
      throw new RangeError(`not an int of the protocol: ${value}`);
    return this.bytes(tag, encodeInt(BigInt(value)));
  }

  /** A text without NUL; lone surrogates U+DC80 to U+DCFF become the bytes that they stand for. */
  text(tag: number, value: string | undefined): this {
    if (value === undefined) return this;
    if (value.includes("\0")) throw new RangeError("a text with a NUL character");
    return this.bytes(tag, encodeByteString(value));
  }

  /** The same field once for each text. */
  texts(tag: number, values: readonly string[] = []): this {
    for (const value of values) this.text(tag, value);
    return this;
  }

  bytes(tag: number, value: Uint8Array | undefined): this {
    if (value === undefined) return this;
    if (value.length > MAX_FIELD_BYTES) throw new RangeError(`a field of ${value.length} bytes`);
    const header = new Uint8Array(FIELD_HEADER_BYTES);
    new DataView(header.buffer).setUint32(0, tag * 0x100_0000 + value.length);
    this.#append(header);
    this.#append(value);
    return this;
  }

  /** The payload so far. */
  finish(): Uint8Array {
    const payload = new Uint8Array(this.#length);
    let offset = 0;
    for (const part of this.#parts) {
      payload.set(part, offset);
      offset += part.length;
    }
    return payload;
  }

  #append(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }
}

function encodeInt(value: bigint): Uint8Array {
  const bytes = new Uint8Array(MAX_INT_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, value);
  const first = bytes.findIndex((byte) => byte !== 0);
  return bytes.subarray(first < 0 ? MAX_INT_BYTES - 1 : first);
}

/** Limits of one payload from the guest: it is at most 64 KiB, but small fields cost more here than there. */
const MAX_FIELDS = 4096;

/**
 * A payload from the guest, taken apart. Every look at a field checks it; fields that nobody looks at are ignored,
 * because a later agent may send more.
 */
export class FieldReader {
  readonly #what: string;
  readonly #fields = new Map<number, Uint8Array[]>();

  /**
   * @param what names the payload in errors
   * @throws ProtocolError when the payload is no sequence of fields
   */
  constructor(payload: Uint8Array, what: string) {
    this.#what = what;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    let count = 0;
    for (let offset = 0; offset < payload.length; ) {
      if (payload.length - offset < FIELD_HEADER_BYTES) this.#reject("cut field");
      const header = view.getUint32(offset);
      const start = offset + FIELD_HEADER_BYTES;
      offset = start + (header & MAX_FIELD_BYTES);
      if (offset > payload.length) this.#reject("field longer than its payload");
      if (++count > MAX_FIELDS) this.#reject("too many fields");
      const tag = header >>> 24;
      // A copy: the payload is the decoder's and lives only for the moment.
      const value = payload.slice(start, offset);
      const earlier = this.#fields.get(tag);
      if (earlier === undefined) this.#fields.set(tag, [value]);
      else earlier.push(value);
    }
  }

  has(tag: number): boolean {
    return this.#fields.has(tag);
  }

  /** An int that must be there, from 0 to `maximum`. */
  int(tag: number, maximum: number = Number.MAX_SAFE_INTEGER): number {
    return this.optionalInt(tag, maximum) ?? this.#reject(`no field ${tag}`);
  }

  /** @throws ProtocolError for an int above `maximum`, which is at most 2^53 - 1 */
  optionalInt(tag: number, maximum: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.#only(tag);
    if (value === undefined) return undefined;
    if (value.length === 0 || value.length > MAX_INT_BYTES) this.#reject(`field ${tag} is no int`);
    const number = value.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
    if (number > BigInt(maximum)) this.#reject(`field ${tag} is ${number}, at most ${maximum} allowed`);
    return Number(number);
  }

  /** A text that must be there, of at most `maximum` bytes. */
  text(tag: number, maximum: number): string {
    return this.optionalText(tag, maximum) ?? this.#reject(`no field ${tag}`);
  }

  optionalText(tag: number, maximum: number): string | undefined {
    const value = this.#only(tag);
    return value === undefined ? undefined : this.#text(tag, value, maximum);
  }

  /** All values of a field that may occur several times. */
  all(tag: number): readonly Uint8Array[] {
    return this.#fields.get(tag) ?? [];
  }

  /** Splits a value into a fixed head and a text behind it. @throws ProtocolError when it is shorter than its head */
  headAndText(tag: number, value: Uint8Array, head: number, maximum: number): [DataView, string] {
    if (value.length < head) this.#reject(`field ${tag} is too short`);
    return [
      new DataView(value.buffer, value.byteOffset, head),
      this.#text(tag, value.subarray(head), maximum),
    ];
  }

  #only(tag: number): Uint8Array | undefined {
    const values = this.#fields.get(tag);
    if (values !== undefined && values.length > 1) this.#reject(`field ${tag} occurs twice`);
    return values?.[0];
  }

  #text(tag: number, value: Uint8Array, maximum: number): string {
    if (value.length > maximum)
      this.#reject(`field ${tag} has ${value.length} bytes, at most ${maximum} allowed`);
    if (value.includes(0)) this.#reject(`field ${tag} has a NUL`);
    return decodeByteString(value);
  }

  #reject(why: string): never {
    throw new ProtocolError(`malformed ${this.#what}: ${why}`);
  }
}
