import { CHUNK_COST } from "./kept.ts";

/** Segments that came before their turn; of a wire that keeps the order there are none. */
const MAX_EARLY = 256;

export interface EarlySegment {
  readonly place: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** A FIN follows its bytes. */
  readonly fin: boolean;
}

const endOf = ({ place, bytes, fin }: EarlySegment) => place + bytes.length + (fin ? 1 : 0);

/** Segments that came early, in order. No byte of the stream is in two of them. */
export class EarlySegments {
  #segments: EarlySegment[] = [];
  #cost = 0;

  get first(): EarlySegment | undefined {
    return this.#segments[0];
  }

  /** Memory that they take. */
  get cost(): number {
    return this.#cost;
  }

  static cost(length: number): number {
    return length + CHUNK_COST;
  }

  /** Whether there is a place for a segment: one of which a part is here already comes again, when its turn is. */
  takes(place: number, length: number, fin: boolean): boolean {
    if (this.#segments.length >= MAX_EARLY) return false;
    const end = place + length + (fin ? 1 : 0);
    return !this.#segments.some((other) => other.place < end && place < endOf(other));
  }

  add(segment: EarlySegment): void {
    const index = this.#segments.findIndex((other) => other.place >= segment.place);
    this.#segments.splice(index < 0 ? this.#segments.length : index, 0, segment);
    this.#cost += EarlySegments.cost(segment.bytes.length);
  }

  shift(): void {
    const segment = this.#segments.shift();
    if (segment !== undefined) this.#cost -= EarlySegments.cost(segment.bytes.length);
  }

  clear(): void {
    this.#segments = [];
    this.#cost = 0;
  }
}
