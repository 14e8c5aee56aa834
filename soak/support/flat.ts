import { say } from "./options.ts";

type Figures = Readonly<Record<string, number>>;

/** Prints figures as a table, one line for each of some rounds. */
export class Table {
  readonly rows: Figures[] = [];

  /** @param every how many rounds a line is for */
  constructor(
    readonly what: string,
    readonly every: number,
  ) {}

  add(figures: Figures): void {
    if (this.rows.length === 0) say([this.what, ...Object.keys(figures)].join("\t"));
    if (this.rows.length % this.every === 0) say([this.rows.length, ...Object.values(figures)].join("\t"));
    this.rows.push(figures);
  }

  /**
   * Says of a figure how it has developed. What may not grow: in the last third its median is at most `tolerance` (a
   * share) above that of the third before. The first third is for caches and buffers to fill.
   *
   * @throws Error when it grows
   */
  expectFlat(key: string, tolerance: number): void {
    if (this.rows.length < 9) {
      say(`${key}: ${this.rows.length} rounds are too few to tell whether it grows`);
      return;
    }
    const third = Math.ceil(this.rows.length / 3);
    const [middle, last] = [this.rows.slice(third, -third), this.rows.slice(-third)];
    const [before, after] = [middle, last].map((part) => medianOf(valuesOf(part, key)));
    const [first] = valuesOf(this.rows, key);
    say(`${key}: ${first} at first, ${before} in the second third, ${after} in the last (medians)`);
    if (before === undefined || after === undefined || after > before * (1 + tolerance))
      throw new Error(`${key} grows`);
  }

  /** Median and highest of a figure. */
  summary(key: string): string {
    const values = valuesOf(this.rows, key);
    return `${key}: median ${medianOf(values)}, highest ${Math.max(...values)}`;
  }
}

const valuesOf = (rows: readonly Figures[], key: string) => rows.map((figures) => figures[key] ?? Number.NaN);

function medianOf(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
