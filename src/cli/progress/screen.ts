/**
 * A terminal for tests: as much of ECMA-48 as progress is drawn with, and an Error for anything else. What scrolls off
 * the top is kept, so that a test can see what was left for good.
 */
export class Screen {
  columns: number;
  rows: number;
  /** Lines that have scrolled off the top. */
  readonly history: string[] = [];
  #cells: string[][];
  #row = 0;
  #column = 0;
  /** A character was put into the last column: the next one goes to the next line. */
  #wrapped = false;
  wraps = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    this.#cells = Array.from({ length: rows }, () => []);
  }

  /** Everything that is to be seen, without blanks at the ends of lines and empty lines at the end. */
  get text(): string {
    return [...this.history, ...this.#cells.map(lineOf)].join("\n").replace(/\n+$/, "");
  }

  get cursor(): { row: number; column: number } {
    return { row: this.#row, column: this.#column };
  }

  write(text: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what terminals obey
    const parts = text.matchAll(/\x1b\[(\d*)([A-Za-z])|([\x00-\x1f\x7f-\x9f])|([^\x00-\x1f\x7f-\x9f])/gsu);
    for (const [, parameter = "", final, control, character] of parts) {
      if (final !== undefined) this.#sequence(final, parameter);
      else if (control !== undefined) this.#control(control);
      else this.#put(character ?? "");
    }
  }

  #sequence(final: string, parameter: string): void {
    this.#wrapped = false;
    if (final === "A") this.#row = Math.max(0, this.#row - Number(parameter || "1"));
    else if (final === "K" && parameter === "") this.#line().length = this.#column;
    else if (final === "J" && parameter === "") this.#eraseBelow();
    else throw new Error(`this terminal does not know CSI ${parameter}${final}`);
  }

  #control(control: string): void {
    this.#wrapped = false;
    if (control === "\r") this.#column = 0;
    else if (control === "\n") this.#feed();
    else throw new Error(`a control character was written: ${JSON.stringify(control)}`);
  }

  #put(character: string): void {
    if (this.#wrapped) {
      this.wraps++;
      this.#column = 0;
      this.#feed();
    }
    const line = this.#line();
    while (line.length < this.#column) line.push(" ");
    line[this.#column] = character;
    this.#wrapped = this.#column === this.columns - 1;
    if (!this.#wrapped) this.#column++;
  }

  #feed(): void {
    if (this.#row < this.rows - 1) {
      this.#row++;
      return;
    }
    this.history.push(lineOf(this.#cells.shift() ?? []));
    this.#cells.push([]);
  }

  #eraseBelow(): void {
    this.#line().length = this.#column;
    for (let row = this.#row + 1; row < this.rows; row++) this.#cells[row] = [];
  }

  #line(): string[] {
    const line = this.#cells[this.#row];
    if (line === undefined) throw new Error("the cursor is outside of the screen");
    return line;
  }
}

function lineOf(cells: readonly string[]): string {
  return cells.join("").trimEnd();
}
