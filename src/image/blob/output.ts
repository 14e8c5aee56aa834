/** Where decompressed bytes go. */
export interface Output {
  /** Memory for the next bytes, at least one. */
  room(): Uint8Array;
  /** The next bytes: the beginning of the last `room`, or memory of the caller's that is valid during the call. */
  take(bytes: Uint8Array): void;
}

/** Bytes handed on at once. With smaller pieces, handing them over costs more than a processor's own cache saves. */
export const PIECE = 1024 * 1024;

/** An output whose memory is used again for each piece. */
export function reusing(take: (bytes: Uint8Array) => void): Output {
  const piece = new Uint8Array(PIECE);
  return { room: () => piece, take };
}
