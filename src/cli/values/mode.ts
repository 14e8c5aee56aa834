import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

/** `644`, `0755`, `0o600`: permissions of files. @throws SmolError `cli.bad_value` */
export function parseMode(text: string): number {
  const digits = /^(?:0o)?([0-7]{1,8})$/.exec(text)?.[1];
  if (digits === undefined)
    throw badValue(`not a mode: ${quote(text)}`, "give octal digits, for example 0644");
  const mode = Number.parseInt(digits, 8);
  if (mode > 0o7777) throw badValue(`must be at most 7777, not ${text}`);
  return mode;
}
