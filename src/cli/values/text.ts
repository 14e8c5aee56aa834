import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

/** Any text but a blank one. */
export function parseText(text: string): string {
  if (text.trim() === "") throw badValue("must not be empty");
  return text;
}

/** Any text at all. */
export function parseAnyText(text: string): string {
  return text;
}

/** A directory in the guest; as in docker an empty text is the image's own. */
export function parseGuestDirectory(text: string): string {
  if (text !== "" && !text.startsWith("/"))
    throw badValue(`must be an absolute path in the guest, not ${quote(text)}`);
  return text;
}

/** Also `none`, which is null. */
export function orNone<T>(parse: (text: string) => T): (text: string) => T | null {
  return (text) => (text === "none" ? null : parse(text));
}

/** `on` or `off`. */
export function parseSwitch(text: string): boolean {
  return oneOf(["on", "off"])(text) === "on";
}

/** One of a few words. */
export function oneOf<const T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw badValue(`must be ${choices.join(" or ")}, not ${quote(text)}`);
    return found;
  };
}
