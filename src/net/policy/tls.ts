/**
 * Reads which server a TLS client asks for, from the first bytes that it sends: records of RFC 8446 §5.1, in them a
 * ClientHello (§4.1.2) with the extension `server_name` (RFC 6066 §3). Hostile bytes; nothing behind what is looked at
 * is touched.
 */

/** `more`: not enough bytes yet. Undefined: no TLS, or no name. */
export type ServerName = "more" | string | undefined;

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const RECORD_HEADER = 5;
/** 2^14, the most that a record may carry. */
const MAX_RECORD = 16_384;

class Short extends Error {}

/** Reads numbers and vectors in order, and never past the end. */
class Reader {
  #at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(width: number): number {
    return this.take(width).reduce((value, byte) => value * 256 + byte, 0);
  }

  take(length: number): Uint8Array {
    if (length > this.left) throw new Short();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** As many bytes as a number of so many bytes in front of them says. */
  vector(width: number): Reader {
    return new Reader(this.take(this.number(width)));
  }
}

/** @param bytes everything that the client has sent so far */
export function serverNameOf(bytes: Uint8Array): ServerName {
  const message = handshakeOf(bytes);
  if (message === undefined || message === "more") return message;
  try {
    return nameIn(new Reader(message));
  } catch (error) {
    // The message is complete: what it lacks does not come.
    if (error instanceof Short) return undefined;
    throw error;
  }
}

/** The body of the ClientHello, which may be cut into records anywhere. */
function handshakeOf(bytes: Uint8Array): Uint8Array | "more" | undefined {
  const parts: Uint8Array[] = [];
  let have = 0;
  let at = 0;
  for (;;) {
    if (bytes.length > at && bytes[at] !== HANDSHAKE) return undefined;
    // All versions have 3 as the first number.
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return undefined;
    if (bytes.length < at + RECORD_HEADER) return "more";
    const length = ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
    // Records without anything in them are not allowed for handshakes, and would go on for ever.
    if (length === 0 || length > MAX_RECORD) return undefined;
    const part = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length);
    parts.push(part);
    have += part.length;
    const header = firstBytes(parts, 4);
    if (header.length > 0 && header[0] !== CLIENT_HELLO) return undefined;
    if (header.length === 4) {
      const size = new Reader(header.subarray(1)).number(3);
      if (have >= 4 + size) return Buffer.concat(parts).subarray(4, 4 + size);
    }
    if (part.length < length) return "more";
    at += RECORD_HEADER + length;
  }
}

function firstBytes(parts: readonly Uint8Array[], count: number): Uint8Array {
  const bytes: number[] = [];
  for (const part of parts) {
    bytes.push(...part.subarray(0, count - bytes.length));
    if (bytes.length === count) break;
  }
  return Uint8Array.from(bytes);
}

function nameIn(hello: Reader): string | undefined {
  hello.take(2 + 32);
  hello.vector(1);
  hello.vector(2);
  hello.vector(1);
  if (hello.left === 0) return undefined;
  const extensions = hello.vector(2);
  let found: string | undefined;
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (type !== SERVER_NAME) continue;
    // A second one is against the rules: which one a server looks at is not known.
    if (found !== undefined) return undefined;
    found = hostIn(body.vector(2));
    if (found === undefined) return undefined;
  }
  return found;
}

function hostIn(list: Reader): string | undefined {
  const type = list.number(1);
  const name = list.vector(2);
  if (type !== HOST_NAME || list.left > 0) return undefined;
  return Buffer.from(name.take(name.left)).toString("latin1");
}
