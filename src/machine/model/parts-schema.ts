/** What the schemas of records and states have in common. */
import { array, boolean, maxLength, nullable, number, object, pipe, string } from "valibot";

/** Entries of one list, bytes of one text: far beyond what people write, and bounded. */
export const MAX_ENTRIES = 10_000;
const MAX_TEXT = 1_048_576;

export const text = pipe(string(), maxLength(MAX_TEXT));
export const texts = pipe(array(text), maxLength(MAX_ENTRIES));

/** Since the epoch. */
export const milliseconds = number();

/** How a program ended. */
export const endSchema = object({
  exitCode: nullable(number()),
  /** Number of the signal that ended it; both null: nobody has seen its end. */
  signal: nullable(number()),
  /** The kernel ended it, or one of its children, for lack of memory. */
  outOfMemory: boolean(),
  at: milliseconds,
});
