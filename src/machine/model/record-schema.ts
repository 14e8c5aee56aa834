/**
 * The whole check of a record. In a file of its own because it loads valibot, which takes longer than a listing.
 */
import {
  boolean,
  type InferOutput,
  integer,
  literal,
  looseObject,
  nullable,
  number,
  pipe,
  regex,
  safeParse,
  string,
} from "valibot";
import { defaultSpec } from "./defaults.ts";
import { RECORD_VERSION, type ReadRecord } from "./record.ts";
import { specSchema } from "./spec.ts";

export const recordSchema = looseObject({
  version: literal(RECORD_VERSION),
  ...specSchema.entries,
  /** Milliseconds since the epoch. */
  createdAt: pipe(number(), integer()),
  /** `initOnce` has been run to its end. */
  initialized: boolean(),
  /** Of a machine without an image of its own: the built-in one that its changes lie above; null: none yet. */
  baseId: nullable(pipe(string(), regex(/^[0-9a-f]{64}$/))),
});

export type MachineRecord = Readonly<InferOutput<typeof recordSchema>>;

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

/** @param value parsed JSON @param name of the machine's directory, which a record has to agree with */
export function parseWhole(value: Json, name: string): ReadRecord {
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
  const parsed = safeParse(recordSchema, {
    ...defaultSpec(name),
    createdAt: 0,
    initialized: false,
    baseId: null,
    ...json,
  });
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const where = issue.path?.map(({ key }) => String(key)).join(".") ?? "";
    return { kind: "damaged", reason: `${where}: ${issue.message}` };
  }
  if (parsed.output.name !== name)
    return { kind: "damaged", reason: "it is the record of a machine of another name" };
  return { kind: "record", record: parsed.output };
}
