/**
 * `machine.json`: what a machine is, and what has become of it between its starts. Written by commands that create or
 * change it and, once it has run its first start, by its process.
 *
 * Compatibility: `version` grows only when an older program would misread the record. A program reads every version up
 * to its own (`migrations`), gives fields that an older program did not know their defaults, keeps fields that a newer
 * one wrote, and shows a record of a later version without touching it.
 */
import { boolean, type InferOutput, integer, literal, looseObject, number, pipe, safeParse } from "valibot";
import { messageOf } from "../../errors.ts";
import { defaultSpec } from "./defaults.ts";
import { type MachineSpec, specSchema } from "./spec.ts";

export const RECORD_VERSION = 2;

const recordSchema = looseObject({
  version: literal(RECORD_VERSION),
  ...specSchema.entries,
  /** Milliseconds since the epoch. */
  createdAt: pipe(number(), integer()),
  /** `initOnce` has been run to its end. */
  initialized: boolean(),
});

export type MachineRecord = Readonly<InferOutput<typeof recordSchema>>;

/** What a record file was found to be. */
export type ReadRecord =
  | { readonly kind: "record"; readonly record: MachineRecord }
  /** Written by a later program. */
  | { readonly kind: "newer"; readonly version: number }
  | { readonly kind: "damaged"; readonly reason: string };

type Json = Record<string, unknown>;

/** From the version that is the key to the next one. Version 1 was that of machines that lasted for one command. */
const migrations: Readonly<Record<number, (record: Json) => Json>> = {
  1: ({ pid: _, state: __, createdAt, ...rest }) => ({
    ...rest,
    version: 2,
    // It counted seconds.
    createdAt: typeof createdAt === "number" ? createdAt * 1000 : 0,
    entrypoint: null,
    user: rest.user === "" ? null : rest.user,
  }),
};

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
  return parseWhole(value as Json, name);
}

function parseWhole(value: Json, name: string): ReadRecord {
  let json = value;
  for (;;) {
    const { version } = json;
    if (typeof version !== "number" || !Number.isSafeInteger(version) || version < 1)
      return { kind: "damaged", reason: "it has no version" };
    if (version > RECORD_VERSION) return { kind: "newer", version };
    if (version === RECORD_VERSION) break;
    const migrate = migrations[version];
    if (migrate === undefined) return { kind: "damaged", reason: `version ${version} never existed` };
    json = migrate(json);
  }
  const parsed = safeParse(recordSchema, { ...defaultSpec(name), createdAt: 0, initialized: false, ...json });
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const where = issue.path?.map(({ key }) => String(key)).join(".") ?? "";
    return { kind: "damaged", reason: `${where}: ${issue.message}` };
  }
  if (parsed.output.name !== name)
    return { kind: "damaged", reason: "it is the record of a machine of another name" };
  return { kind: "record", record: parsed.output };
}

const outline = Object.entries({ ...defaultSpec("outline"), createdAt: 0, initialized: false });

/** Whether every field has a value of the right kind; what is in lists and tables is not looked at. */
function hasOutline(json: Json, name: string): boolean {
  if (json.version !== RECORD_VERSION || json.name !== name) return false;
  for (const [key, example] of outline) {
    const value = json[key];
    if (value === undefined) return false;
    // Null stands for many kinds of things.
    if (example === null) continue;
    if (typeof value !== typeof example || value === null || Array.isArray(value) !== Array.isArray(example))
      return false;
  }
  return true;
}

/** A new machine's record. */
export function newRecord(spec: MachineSpec, createdAt: number): MachineRecord {
  return { version: RECORD_VERSION, ...spec, createdAt, initialized: false };
}
