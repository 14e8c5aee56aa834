/** The parts of which the schemas of requests and answers are made. */
import {
  array,
  integer,
  maxLength,
  maxValue,
  minLength,
  minValue,
  number,
  pipe,
  regex,
  strictObject,
  string,
} from "valibot";
import { MAX_NAME_LENGTH, NAME_PATTERN } from "../../machine/model/name.ts";
import { VOLUME_NAME } from "../../values/mount.ts";

export { described as field } from "../../values/described.ts";

/** Entries of a list, and characters of a text: far beyond what a request needs. */
export const MAX_ENTRIES = 1000;
const MAX_TEXT = 65_536;

export const count = (least: number, most: number) =>
  pipe(number(), integer(), minValue(least), maxValue(most));

/** A text that can be handed to a program. */
export const word = pipe(
  string(),
  maxLength(MAX_TEXT),
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what ends such a text
  regex(/^[^\u0000]*$/, "must not contain a NUL character"),
);

/** The same in a query: the head of a request has at most 16 KiB, and all that is over it gets no answer of ours. */
export const queryWord = pipe(word, maxLength(4096));

/** What names an image. */
export const imageName = pipe(word, minLength(1, "must be the name of an image"));

export const words = pipe(array(word), maxLength(MAX_ENTRIES));

/** A command that is run at once. */
export const command = pipe(array(word), minLength(1, "must name a program"), maxLength(MAX_ENTRIES));

export const machineName = pipe(
  string(),
  minLength(1, "machine name cannot be empty"),
  maxLength(MAX_NAME_LENGTH, `is too long: at most ${MAX_NAME_LENGTH} characters`),
  regex(NAME_PATTERN, "must be letters, digits, _ and -, and begin with a letter or digit"),
);

export const volumeName = pipe(
  string(),
  regex(
    VOLUME_NAME,
    "must be letters, digits, _, . and -, begin with a letter or digit, and have 64 at most",
  ),
);

/** An absolute path in the guest. */
export const guestPath = pipe(
  string(),
  maxLength(4095),
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what ends such a text
  regex(/^\/[^\u0000]*$/, "must be an absolute path in the guest"),
);

/** Of a variable of a program. */
const variableName = pipe(
  string(),
  regex(/^[A-Za-z_][A-Za-z0-9_]{0,255}$/, "must be letters, digits and _, and not begin with a digit"),
);

export const variable = strictObject({ name: variableName, value: word });
export const variables = pipe(array(variable), maxLength(MAX_ENTRIES));
export const variableNames = pipe(array(variableName), maxLength(MAX_ENTRIES));

/** `NAME=value`, as the machine library has it. */
export const environmentOf = (
  given: readonly { readonly name: string; readonly value: string }[] | undefined,
): readonly string[] | undefined => given?.map(({ name, value }) => `${name}=${value}`);

/** A day: nobody waits longer for an answer. */
export const MAX_WAIT_SECONDS = 86_400;

/** Timers hold 31 bits of milliseconds, 24.8 days. */
export const MAX_SPAN_SECONDS = 24 * 86_400;

export const seconds = (least: number, most: number = MAX_SPAN_SECONDS) =>
  pipe(number(), minValue(least), maxValue(most));

export const milliseconds = (given: number | undefined): number | undefined =>
  given === undefined ? undefined : Math.round(given * 1000);
