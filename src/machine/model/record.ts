/**
 * `machine.json`: what a machine is, and what has become of it between its starts. Written by commands that create or
 * change it and, once it has run its first start, by its process.
 *
 * Compatibility: `version` grows only when an older program would misread the record. A program reads every version up
 * to its own (`migrations`), gives fields that an older program did not know their defaults, keeps fields that a newer
 * one wrote, and shows a record of a later version without touching it.
 */
import { messageOf } from "../../errors.ts";
import { defaultSpec } from "./defaults.ts";
import type { MachineRecord } from "./record-schema.ts";
import type { MachineSpec } from "./spec.ts";

export type { MachineRecord };

export const RECORD_VERSION = 2;

/** What a record file was found to be. */
export type ReadRecord =
  | { readonly kind: "record"; readonly record: MachineRecord }
  /** Written by a later program. */
  | { readonly kind: "newer"; readonly version: number }
  | { readonly kind: "damaged"; readonly reason: string };

type Json = Record<string, unknown>;

/**
 * @param name of the machine's directory, which a record has to agree with
 * @param depth `outline`: checked as far as it takes to list the machine. Of hundreds of records the whole check takes
 * longer than everything else about a listing.
 */
export function parseRecord(text: string, name: string, depth: "whole" | "outline" = "whole"): ReadRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { kind: "damaged", reason: messageOf(error) };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { kind: "damaged", reason: "it is no JSON object" };
  if (depth === "outline" && hasOutline(value as Json, name))
    return { kind: "record", record: value as MachineRecord };
  const { parseWhole } = require("./record-schema.ts") as typeof import("./record-schema.ts");
  return parseWhole(value as Json, name);
}

/** Each field, and `typeof` of its value; null stands for many kinds of things, of which any will do. */
const outline = Object.entries({ ...defaultSpec("outline"), createdAt: 0, initialized: false }).map(
  ([key, example]) => [key, example === null ? null : typeof example, Array.isArray(example)] as const,
);

/** Whether every field has a value of the right kind; what is in lists and tables is not looked at. */
function hasOutline(json: Json, name: string): boolean {
  if (json.version !== RECORD_VERSION || json.name !== name) return false;
  for (const [key, type, isArray] of outline) {
    const value = json[key];
    if (value === undefined) return false;
    if (type === null) continue;
    if (typeof value !== type || value === null) return false;
    if (type === "object" && Array.isArray(value) !== isArray) return false;
  }
  return true;
}

/** A new machine's record. */
export function newRecord(spec: MachineSpec, createdAt: number): MachineRecord {
  return { version: RECORD_VERSION, ...spec, createdAt, initialized: false, baseId: null };
}
