// Not the folder's face, which loads more.
import { parseSignal } from "../../machine/root/stop-signal.ts";
import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

/** `TERM`, `SIGTERM`, `15` or `RTMIN+3`. @returns the number */
export function parseSignalNumber(text: string): number {
  const number = parseSignal(text);
  if (number !== undefined) return number;
  throw badValue(`there is no signal ${quote(text)}`, "write for example SIGTERM, TERM or 15");
}

/** The same, as it was written. */
export function parseSignalName(text: string): string {
  parseSignalNumber(text);
  return text;
}
