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
   * Says of a figure how it has developed. What may not grow: the highest of the last third is at most `tolerance` (a
   * share) above that of the first. The first round of all makes disks and connections, and does not count.
   *
   * @throws Error when it grows
   */
  expectFlat(key: string, tolerance: number): void {
    const third = Math.max(1, Math.floor(this.rows.length / 3));
    const highest = (part: readonly Figures[]) =>
      Math.max(...part.map((figures) => figures[key] ?? Number.NaN));
    const [before, after] = [highest(this.rows.slice(1, third + 1)), highest(this.rows.slice(-third))];
    say(`${key}: at most ${before} in the first third, ${after} in the last`);
    if (!(after <= before * (1 + tolerance))) throw new Error(`${key} grows`);
  }

  /** Median and highest of a figure. */
  summary(key: string): string {
    const values = this.rows.map((figures) => figures[key] ?? Number.NaN).sort((a, b) => a - b);
    return `${key}: median ${values[Math.floor(values.length / 2)]}, highest ${values.at(-1)}`;
  }
}
