/**
 * Which stamp the parts of a stream have. A bounded number of them is kept: when there are more, the oldest two parts
 * become one.
 */
export class Stamps {
  readonly #most: number;
  /** Where each part begins, and its stamp, in a ring that grows as it is needed. */
  #starts = new Float64Array(16);
  #stamps = new Float64Array(16);
  #first = 0;
  #count = 0;

  /** @param most parts, a power of two and at least 16 */
  constructor(most: number) {
    this.#most = most;
  }

  /** A part that begins at an offset; it goes on until the next one. */
  add(start: number, stamp: number): void {
    if (this.#count === this.#most) {
      // The first part goes on to the end of the second.
      const second = this.#at(1);
      this.#starts[second] = this.#starts[this.#first] as number;
      this.#stamps[second] = this.#stamps[this.#first] as number;
      this.#dropFirst();
    }
    if (this.#count === this.#starts.length) this.#grow();
    this.#starts[this.#at(this.#count)] = start;
    this.#stamps[this.#at(this.#count)] = stamp;
    this.#count += 1;
  }

  /** Forgets the parts that end at or before an offset. */
  dropBefore(offset: number): void {
    while (this.#count > 1 && (this.#starts[this.#at(1)] as number) <= offset) this.#dropFirst();
  }

  /** The part that an offset lies in: its stamp, and where it ends as far as that is known. */
  partAt(offset: number): { readonly stamp: number; readonly end: number } {
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[this.#at(middle)] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    const isLast = low >= this.#count - 1;
    const end = isLast ? Number.POSITIVE_INFINITY : (this.#starts[this.#at(low + 1)] as number);
    return { stamp: this.#stamps[this.#at(low)] as number, end };
  }

  #dropFirst(): void {
    this.#first = this.#at(1);
    this.#count -= 1;
  }

  #at(index: number): number {
    return (this.#first + index) % this.#starts.length;
  }

  #grow(): void {
    const starts = new Float64Array(2 * this.#starts.length);
    const stamps = new Float64Array(starts.length);
    for (let index = 0; index < this.#count; index++) {
      starts[index] = this.#starts[this.#at(index)] as number;
      stamps[index] = this.#stamps[this.#at(index)] as number;
    }
    this.#starts = starts;
    this.#stamps = stamps;
    this.#first = 0;
  }
}
