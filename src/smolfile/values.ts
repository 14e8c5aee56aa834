/**
 * What the schema is built from. Each message completes the sentence that the key's name begins: `cpus` … `must be a
 * whole number, not a text`. Patterns and limits are what editors know; what only a function can tell is a check.
 */
import {
  array,
  boolean,
  check,
  type GenericSchema,
  integer,
  maxLength,
  maxValue,
  minLength,
  minValue,
  number,
  picklist,
  pipe,
  regex,
  string,
  union,
} from "valibot";
import { typeName } from "../toml/index.ts";
import { bytesIn, parseSpan, quote } from "../values/index.ts";

export { described as key } from "../values/described.ts";

/** Far beyond what people write, and bounded. */
export const MAX_ENTRIES = 1000;
const MAX_TEXT = 65_536;

interface Wrong {
  readonly input: unknown;
}

const wrongType = (expected: string) => (issue: Wrong) => `must be ${expected}, not ${typeName(issue.input)}`;

export const flag = boolean(wrongType("true or false"));

/** A whole number. */
export function count(least: number, most: number) {
  const range = ({ input }: Wrong) => `must be between ${least} and ${most}, not ${input}`;
  return pipe(
    number(wrongType("a whole number")),
    integer(({ input }) => `must be a whole number, not ${input}`),
    minValue(least, range),
    maxValue(most, range),
  );
}

/** Any text, also one of several lines: what the kernel can hand to a program. */
export const text = pipe(
  string(wrongType("a text")),
  maxLength(MAX_TEXT, `must not be longer than ${MAX_TEXT} characters`),
  check((value) => !value.includes("\0"), "must not contain a NUL character"),
);

/** A name or a path: a text of one line that is not blank. */
export const word = pipe(
  text,
  minLength(1, "must not be empty"),
  check((value) => value.trim() !== "", "must not be empty"),
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  check((value) => !/[\x00-\x1f\x7f]/.test(value), "must not contain control characters"),
);

/**
 * A text of a certain form.
 *
 * @param pattern what editors check: everything that is right matches it
 * @param problem what is wrong with a text, if anything
 */
export function formed(pattern: RegExp, problem: (value: string) => string | undefined) {
  const words = ({ input }: Wrong) => problem(String(input)) ?? `is not right: ${quote(String(input))}`;
  return pipe(
    word,
    regex(pattern, words),
    check((value) => problem(value) === undefined, words),
  );
}

/** What is wrong with a text that had to be one of a few words. */
export function notAmong(words: readonly string[]) {
  return ({ input }: Wrong) =>
    typeof input === "string"
      ? `must be ${words.slice(0, -1).join(", ")} or ${words.at(-1)}, not ${quote(input)}`
      : `must be a text, not ${typeName(input)}`;
}

/** One of a few words. */
export function choice<const T extends string>(...words: readonly T[]) {
  return picklist(words, notAmong(words));
}

export function list<const S extends GenericSchema>(item: S) {
  return pipe(
    array(item, wrongType("an array")),
    maxLength(MAX_ENTRIES, `must not have more than ${MAX_ENTRIES} entries`),
  );
}

/** A number of at least `least`, or a text that names its unit; `problem` tells what is wrong with either. */
function amount(least: number, pattern: RegExp, problem: (value: unknown) => string | undefined) {
  const words = ({ input }: Wrong) => problem(input) ?? "is not right";
  return pipe(
    union([pipe(number(), minValue(least, words)), pipe(string(), regex(pattern, words))], words),
    check((value) => problem(value) === undefined, words),
  );
}

/** Timers hold 31 bits of milliseconds: 24.8 days; a longer one would fire at once. */
export const MAX_SPAN_MS = 24 * 86_400_000;

const SPAN_WORDS = "a time span such as 30s, 5m or 1h30m";

/** Milliseconds, perhaps more than a timer can hold; undefined when it is no time span. */
export function spanMs(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? value * 1000 : undefined;
  return typeof value === "string" ? parseSpan(value) : undefined;
}

/**
 * A time span: a text such as `"1h30m"`, or a number of seconds.
 *
 * @param leastMs milliseconds
 * @param tooLong what happens to a span that no timer can hold: it is refused, or it becomes the longest one (keys
 *   that upstream has: it ignores there what overflows)
 */
export function span(leastMs: number, tooLong: "refuse" | "clamp" = "refuse") {
  return amount(leastMs / 1000, /^\s*[0-9][0-9.a-z\s]*$/, (value) => {
    const milliseconds = spanMs(value);
    if (typeof value !== "string" && typeof value !== "number")
      return `must be ${SPAN_WORDS}, not ${typeName(value)}`;
    if (milliseconds === undefined) return `must be ${SPAN_WORDS}, not ${quote(String(value))}`;
    if (milliseconds < leastMs)
      return `must be at least ${leastMs < 1000 ? `${leastMs}ms` : `${leastMs / 1000}s`}, not ${value}`;
    if (tooLong === "refuse" && milliseconds > MAX_SPAN_MS) return `must be at most 24 days, not ${value}`;
    return undefined;
  });
}

const POWERS = { bytes: 0, MiB: 2, GiB: 3 } as const;

export type SizeUnit = keyof typeof POWERS;

/** How many of a unit a size is, perhaps not a whole number; undefined when it is no size. */
export function sizeIn(value: unknown, unit: SizeUnit): number | undefined {
  const power = POWERS[unit];
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  const bytes = typeof value === "string" ? bytesIn(value, power) : undefined;
  return bytes === undefined ? undefined : bytes / 1024 ** power;
}

/** A size: a number of `unit`s, or a text such as `"2G"`. */
export function size(unit: SizeUnit, least: number, most: number) {
  return amount(least, /^[0-9]+(\.[0-9]+)?\s*([KMGTkmgt]([iI]?[bB])?)?$/, (value) => {
    const given = sizeIn(value, unit);
    if (typeof value !== "string" && typeof value !== "number")
      return `must be a number of ${unit} or a text such as "2G", not ${typeName(value)}`;
    if (given === undefined)
      return `must be a number of ${unit} or a text such as "2G", not ${quote(String(value))}`;
    // Scripts look for these words about memory.
    if (given < least) return `must be at least ${least} ${unit} (got ${given} ${unit})`;
    if (given > most) return `must be at most ${most} ${unit} (got ${given} ${unit})`;
    if (!Number.isInteger(given)) return `must be a whole number of ${unit}, not ${value}`;
    return undefined;
  });
}
