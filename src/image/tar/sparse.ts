import { limits } from "../limits.ts";
import type { SparseRun } from "./entry.ts";
import { beyond, damaged } from "./error.ts";
import { parseDecimal, parseNumber } from "./numeric.ts";
import type { PaxRecords } from "./pax.ts";

/**
 * What the extended headers of GNU tar's PAX formats 0.0, 0.1 and 1.0 say about a sparse file.
 * In 1.0 the map stands before the data; `runs` is then undefined.
 */
export interface PaxSparse {
  /** The real name; the header has an invented one. */
  readonly name: string | undefined;
  readonly size: number;
  readonly runs: readonly SparseRun[] | undefined;
}

/** @returns undefined when the headers do not describe a sparse file. */
export function paxSparse(records: PaxRecords): PaxSparse | undefined {
  const major = records.get("GNU.sparse.major");
  const minor = records.get("GNU.sparse.minor");
  const name = records.get("GNU.sparse.name");
  if (major !== undefined || minor !== undefined) {
    if (major !== "1" || minor !== "0")
      throw damaged(`sparse format ${major ?? "?"}.${minor ?? "?"} is not known`);
    const size = records.get("GNU.sparse.realsize");
    if (size === undefined) throw damaged("a sparse file has no size");
    return { name, size: parseDecimal(size, "GNU.sparse.realsize"), runs: undefined };
  }
  const map = records.get("GNU.sparse.map");
  const size = records.get("GNU.sparse.size");
  if (map === undefined && size === undefined) return undefined;
  if (size === undefined) throw damaged("a sparse file has no size");
  const runs = parseMap(map ?? "");
  const count = records.get("GNU.sparse.numblocks");
  if (count !== undefined && parseDecimal(count, "GNU.sparse.numblocks") !== runs.length) {
    throw damaged("the map of a sparse file has a wrong length");
  }
  return { name, size: parseDecimal(size, "GNU.sparse.size"), runs };
}

function parseMap(text: string): SparseRun[] {
  if (text === "") return [];
  const numbers = text.split(",");
  if (numbers.length % 2 !== 0) throw damaged("the map of a sparse file has an odd length");
  if (numbers.length / 2 > limits.sparseRuns) throw tooManyRuns();
  const runs: SparseRun[] = [];
  for (let index = 0; index < numbers.length; index += 2) {
    const offset = parseDecimal(numbers[index] ?? "", "GNU.sparse.map");
    runs.push({ offset, length: parseDecimal(numbers[index + 1] ?? "", "GNU.sparse.map") });
  }
  return runs;
}

const tooManyRuns = () => beyond(`a sparse file has more than ${limits.sparseRuns} runs`);

/**
 * Checks a map against the file's size and the bytes that the archive stores for it.
 *
 * @returns the runs that are not empty.
 */
export function checkRuns(runs: readonly SparseRun[], size: number, stored: number): SparseRun[] {
  let end = 0;
  let total = 0;
  for (const { offset, length } of runs) {
    if (offset < end || length < 0 || offset + length > size)
      throw damaged("the map of a sparse file is not in order");
    end = offset + length;
    total += length;
  }
  if (total !== stored) throw damaged("the map of a sparse file does not match its data");
  return runs.filter((run) => run.length > 0);
}

/** Collects the runs of the old GNU format: 4 in the header, then 21 in each block that is announced. */
export class OldGnuMap {
  readonly runs: SparseRun[] = [];
  /** Size of the file with its holes. */
  readonly size: number;
  /** Whether another block of the map follows. */
  extended: boolean;
  #ended = false;

  constructor(header: Buffer) {
    this.size = parseNumber(header, 483, 12, "realsize");
    this.extended = header[482] !== 0;
    this.#take(header, 386, 4);
  }

  add(block: Buffer): void {
    this.#take(block, 0, 21);
    this.extended = block[504] !== 0;
    if (this.runs.length > limits.sparseRuns) throw tooManyRuns();
  }

  #take(block: Buffer, start: number, count: number): void {
    for (let index = 0; index < count; index++) {
      const at = start + index * 24;
      // An entry without an offset ends the list.
      if (this.#ended || block[at] === 0) {
        this.#ended = true;
        return;
      }
      this.runs.push({
        offset: parseNumber(block, at, 12, "sparse offset"),
        length: parseNumber(block, at + 12, 12, "sparse length"),
      });
    }
  }
}

/** Reads the map of format 1.0, which stands before the data: decimal numbers, one a line, padded to 512 bytes. */
export class LeadingMap {
  readonly #numbers: number[] = [];
  #digits = "";
  #bytes = 0;

  /** Bytes taken so far, a multiple of 512 in the end. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the next block. @returns the runs when the map is complete. */
  add(block: Buffer): SparseRun[] | undefined {
    this.#bytes += block.length;
    for (const byte of block) {
      if (byte === 0x0a) {
        this.#numbers.push(parseDecimal(this.#digits, "sparse map"));
        this.#digits = "";
        if (this.#isComplete()) return this.#runs();
      } else {
        this.#digits += String.fromCharCode(byte);
        if (this.#digits.length > 16) throw damaged("the map of a sparse file is not made of numbers");
      }
    }
    return undefined;
  }

  #isComplete(): boolean {
    const count = this.#numbers[0] ?? 0;
    if (count > limits.sparseRuns) throw tooManyRuns();
    return this.#numbers.length === 1 + count * 2;
  }

  #runs(): SparseRun[] {
    const runs: SparseRun[] = [];
    for (let index = 1; index < this.#numbers.length; index += 2) {
      runs.push({ offset: this.#numbers[index] ?? 0, length: this.#numbers[index + 1] ?? 0 });
    }
    return runs;
  }
}
