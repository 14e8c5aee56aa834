import { bytesIn, quote } from "../../values/index.ts";
import { badValue } from "../usage.ts";

export { quote };

interface SizeRange {
  /** What has this size, as messages call it. */
  readonly what: string;
  readonly unit: "MiB" | "GiB";
  readonly min: number;
  readonly max: number;
}

/**
 * Makes the parser of an option that is a size in MiB or GiB. A bare number is in that unit; `512M`, `2G`,
 * `1.5GiB` name their own. Units are binary whatever their spelling, as in docker.
 *
 * @returns a parser whose result is a whole number of `unit`s within the range
 */
export function sizeIn({ what, unit, min, max }: SizeRange): (text: string) => number {
  const own = unit === "MiB" ? 2 : 3;
  return (text) => {
    const bytes = bytesIn(text, own);
    if (bytes === undefined)
      throw badValue(`not a size: ${quote(text)}`, `give a number of ${unit}, or for example 2G`);
    const size = bytes / 1024 ** own;
    // The words of the machine's own wall, and of Smolfiles.
    const got = `(got ${size} ${unit})`;
    if (size < min) throw badValue(`${what} must be at least ${min} ${unit} ${got}`);
    if (size > max) throw badValue(`${what} must be at most ${max} ${unit} ${got}`);
    if (!Number.isInteger(size)) throw badValue(`must be a whole number of ${unit}, not ${text}`);
    return size;
  };
}

/** A whole number of at least one, at most `max`. */
export function countUpTo(max: number): (text: string) => number {
  return (text) => {
    const count = wholeNumberUpTo(max)(text);
    if (count < 1) throw badValue("must be at least 1, not 0");
    return count;
  };
}

/** The same, or zero. */
export function wholeNumberUpTo(max: number): (text: string) => number {
  return (text) => {
    if (!/^\d{1,15}$/.test(text)) throw badValue(`not a whole number: ${quote(text)}`);
    const count = Number(text);
    if (count > max) throw badValue(`must be at most ${max}, not ${count}`);
    return count;
  };
}
