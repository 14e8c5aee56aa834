/**
 * The frame format of the smolvm protocol, (docs/protocol.md).
 *
 *     offset  size  field (big endian)
 *     0       1     type
 *     1       1     channel; 0 unless the type uses it
 *     2       2     reserved, zero
 *     4       4     stream id; 0 is the connection itself
 *     8       4     payload length in bytes
 *     12      …     payload
 */

export const FrameType = {
  hello: 1,
  open: 2,
  accept: 3,
  data: 4,
  end: 5,
  credit: 6,
  control: 7,
  result: 8,
  fail: 9,
  cancel: 10,
  event: 11,
} as const;

export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Bytes of a frame before its payload. */
export const HEADER_BYTES = 12;

/** Largest payload of a data frame: small enough that other streams get their turn, large enough to be fast. */
export const MAX_DATA_BYTES = 64 * 1024;

/**
 * Largest payload of an `open` frame: Linux limits argv and environment to about 2 MiB together, images use
 * far less.
 */
export const MAX_OPEN_BYTES = 1024 * 1024;

export interface Frame {
  readonly type: FrameType;
  readonly channel: number;
  readonly stream: number;
  /** Valid only until the next call into the decoder: copy it to keep it. */
  readonly payload: Uint8Array;
}

/** Something that the other side must never send. The connection cannot go on after one. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/**
 * Encodes one frame as header and payload: in a new buffer, or at the start of `target` when it fits in there.
 *
 * @returns the frame's bytes.
 */
export function encodeFrame(
  type: FrameType,
  stream: number,
  payload: Uint8Array,
  channel = 0,
  target?: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const length = HEADER_BYTES + payload.length;
  const frame =
    target !== undefined && length <= target.length ? target.subarray(0, length) : new Uint8Array(length);
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES);
  view.setUint8(0, type);
  view.setUint8(1, channel);
  view.setUint16(2, 0);
  view.setUint32(4, stream);
  view.setUint32(8, payload.length);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

function maximumPayload(type: number): number {
  switch (type) {
    case FrameType.open:
      return MAX_OPEN_BYTES;
    case FrameType.hello:
    case FrameType.accept:
    case FrameType.data:
    case FrameType.control:
    case FrameType.result:
    case FrameType.fail:
    case FrameType.event:
      return MAX_DATA_BYTES;
    case FrameType.credit:
      return 4;
    case FrameType.end:
    case FrameType.cancel:
      return 0;
    default:
      throw new ProtocolError(`unknown frame type ${type}`);
  }
}

/**
 * Cuts a byte stream into frames. Memory is bounded by one frame: a header that announces more than its type
 * allows is an error before any payload is buffered.
 */
export class FrameDecoder {
  #header = new Uint8Array(HEADER_BYTES);
  #headerLength = 0;
  /** The frame whose header is complete. */
  #pending: { type: FrameType; channel: number; stream: number; length: number } | undefined;
  /** The part of its payload that arrived with earlier bytes; only frames that are cut need it. */
  #partial: Uint8Array | undefined;
  #partialLength = 0;

  /**
   * Feeds bytes as they arrived and calls `onFrame` for each frame that they complete.
   *
   * @throws ProtocolError for a malformed frame; the decoder must not be used after that.
   */
  push(received: Uint8Array, onFrame: (frame: Frame) => void): void {
    // Sockets deliver Buffers, whose slice() does not copy: nobody behind this line shall have to know.
    const bytes = new Uint8Array(received.buffer, received.byteOffset, received.byteLength);
    let offset = 0;
    for (;;) {
      if (this.#pending === undefined) {
        offset += this.#fillHeader(bytes, offset);
        if (this.#headerLength < HEADER_BYTES) return;
        this.#pending = parseHeader(this.#header);
      }
      const { type, channel, stream, length } = this.#pending;
      const missing = length - this.#partialLength;
      const part = bytes.subarray(offset, offset + missing);
      offset += part.length;
      if (part.length < missing) {
        this.#keep(part, length);
        return;
      }
      // The common case, a whole payload within one read, is handed on without a copy.
      const payload = this.#partial === undefined ? part : this.#keep(part, length);
      this.#pending = undefined;
      this.#headerLength = 0;
      this.#partial = undefined;
      this.#partialLength = 0;
      onFrame({ type, channel, stream, payload });
    }
  }

  #fillHeader(bytes: Uint8Array, offset: number): number {
    const part = bytes.subarray(offset, offset + HEADER_BYTES - this.#headerLength);
    this.#header.set(part, this.#headerLength);
    this.#headerLength += part.length;
    return part.length;
  }

  #keep(part: Uint8Array, length: number): Uint8Array {
    this.#partial ??= new Uint8Array(length);
    this.#partial.set(part, this.#partialLength);
    this.#partialLength += part.length;
    return this.#partial;
  }
}

function parseHeader(header: Uint8Array) {
  const view = new DataView(header.buffer, header.byteOffset);
  const type = view.getUint8(0);
  const length = view.getUint32(8);
  const limit = maximumPayload(type);
  if (length > limit)
    throw new ProtocolError(`frame type ${type} with ${length} bytes, at most ${limit} allowed`);
  if (type === FrameType.credit && length !== 4) throw new ProtocolError(`credit frame with ${length} bytes`);
  if (view.getUint16(2) !== 0) throw new ProtocolError("reserved header bytes are not zero");
  return { type: type as FrameType, channel: view.getUint8(1), stream: view.getUint32(4), length };
}
