import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

export interface Label {
  readonly name: string;
  readonly value: string;
}

/** `NAME=VALUE`, or `NAME`, which has an empty value. The first `=` ends the name. */
export function parseLabel(text: string): Label {
  const end = text.indexOf("=");
  const name = end < 0 ? text : text.slice(0, end);
  if (name.trim() === "") throw badValue(`the label has no name: ${quote(text)}`, "write NAME=VALUE");
  return { name, value: end < 0 ? "" : text.slice(end + 1) };
}
