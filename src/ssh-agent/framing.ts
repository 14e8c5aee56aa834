import { BadMessage } from "./wire.ts";

/** Largest message, without its length: as OpenSSH's agent has it. */
export const MAX_MESSAGE_BYTES = 256 * 1024;

const HEADER_BYTES = 4;

/** Cuts what arrives into messages: each has its length before it (draft-ietf-sshm-ssh-agent, section 3). */
export class MessageReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Resolves when the first byte of a message is there; false: nothing comes any more. */
  begins(): Promise<boolean> {
    return this.#fill(1);
  }

  /** A message. @throws BadMessage when it is too large, empty, or not there to its end */
  async next(): Promise<Uint8Array> {
    await this.#need(HEADER_BYTES);
    const { buffer, byteOffset } = this.#rest;
    const length = new DataView(buffer, byteOffset).getUint32(0);
    if (length === 0 || length > MAX_MESSAGE_BYTES) throw new BadMessage(`a message of ${length} bytes`);
    await this.#need(HEADER_BYTES + length);
    const message = this.#rest.slice(HEADER_BYTES, HEADER_BYTES + length);
    this.#rest = this.#rest.subarray(HEADER_BYTES + length);
    return message;
  }

  async #need(bytes: number): Promise<void> {
    if (!(await this.#fill(bytes))) throw new BadMessage("the connection ended within a message");
  }

  /** At most one chunk more than that is kept. */
  async #fill(bytes: number): Promise<boolean> {
    if (this.#rest.length >= bytes) return true;
    const parts = [this.#rest];
    for (let have = this.#rest.length; have < bytes; ) {
      const { value, done } = await this.#chunks.next();
      if (done) {
        this.#rest = Buffer.concat(parts);
        return false;
      }
      parts.push(value);
      have += value.length;
    }
    this.#rest = Buffer.concat(parts);
    return true;
  }
}

/** A message with its length before it. */
export function frame(message: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(HEADER_BYTES + message.length);
  framed.writeUInt32BE(message.length);
  framed.set(message, HEADER_BYTES);
  return framed;
}
