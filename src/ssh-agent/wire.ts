/**
 * Values on the wire of SSH (RFC 4251, section 5): bytes, numbers and strings with their length, big endian. What is
 * read is hostile; nothing is copied before its length is known to fit.
 */

/** A message that is not what its protocol says. */
export class BadMessage extends Error {
  override name = "BadMessage";
}

/** Reads values one after the other. */
export class WireReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** @throws BadMessage */
  byte(): number {
    return this.#take(1)[0] as number;
  }

  /** @throws BadMessage for anything but 0 and 1 */
  boolean(): boolean {
    const value = this.byte();
    if (value > 1) throw new BadMessage("a boolean that is neither 0 nor 1");
    return value === 1;
  }

  /** @throws BadMessage */
  uint32(): number {
    const part = this.#take(4);
    return new DataView(part.buffer, part.byteOffset).getUint32(0);
  }

  /** A string of bytes: a part of the message, not a copy. @throws BadMessage */
  string(): Uint8Array {
    return this.#take(this.uint32());
  }

  /** A string that people read: at most so many characters of it, and never an error. @throws BadMessage */
  text(maxLength = 256): string {
    return new TextDecoder().decode(this.string()).slice(0, maxLength);
  }

  /** @throws BadMessage when something follows */
  end(): void {
    if (!this.isAtEnd) throw new BadMessage("bytes behind the message's end");
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw new BadMessage("the message ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** A value to be written: a byte, a 32-bit number, or a string. */
export type WireValue = { readonly byte: number } | { readonly uint32: number } | Uint8Array | string;

export function encodeWire(values: readonly WireValue[]): Buffer {
  return Buffer.concat(values.map(encodeValue));
}

function encodeValue(value: WireValue): Buffer {
  if (typeof value === "string" || value instanceof Uint8Array) {
    const bytes = Buffer.from(value as Uint8Array);
    return Buffer.concat([uint32(bytes.length), bytes]);
  }
  return "byte" in value ? Buffer.from([value.byte]) : uint32(value.uint32);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
