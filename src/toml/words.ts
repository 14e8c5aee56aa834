import { quote } from "../values/index.ts";
import type { TomlPath } from "./path.ts";

/** A value's full name as one would write it: `images.registries."ghcr.io".mirrors[0]`. */
export function nameOf(path: TomlPath): string {
  return path.reduce<string>((name, part) => {
    if (typeof part === "number") return `${name}[${part}]`;
    const key = /^[A-Za-z0-9_-]{1,80}$/.test(part) ? part : quote(part);
    return name === "" ? key : `${name}.${key}`;
  }, "");
}

/** Whether a value of a document is a table; its dates are objects too. */
export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** What a value is, for a message that must not show it. */
export function typeName(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (value instanceof Date) return "a date";
  if (isTable(value)) return "a table";
  if (typeof value === "boolean") return String(value);
  return typeof value === "string" ? "a text" : "a number";
}
