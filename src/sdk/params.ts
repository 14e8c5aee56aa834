/** What a client says, held against schemas. */
import {
  array,
  boolean,
  type GenericSchema,
  type InferOutput,
  integer,
  maxValue,
  minValue,
  number,
  object,
  optional,
  picklist,
  pipe,
  regex,
  string,
  union,
} from "valibot";
import { MAX_SPAN_SECONDS, machineName, word, words } from "../serve/schema/fields.ts";
import { read } from "../serve/schema/read.ts";

/** @throws Refused, which the client sees as `sdk.bad_request` */
export const checked = <S extends GenericSchema>(schema: S, params: unknown): InferOutput<S> =>
  read(schema, params, "params");

/** Of the client's host: its own working directory is not this process's. */
const hostPath = pipe(word, regex(/^\//, "must be an absolute path"));

const owner = optional(picklist(["stop", "delete"]));
const side = pipe(number(), integer(), minValue(1), maxValue(0xffff));

export const secretsField = optional(
  array(union([object({ name: word, env: word }), object({ name: word, file: hostPath })])),
);

export const nameParams = object({ name: machineName });

export const startParams = object({
  name: machineName,
  owner,
  timeoutMs: optional(pipe(number(), minValue(1), maxValue(MAX_SPAN_SECONDS * 1000))),
});

export const createParams = object({
  smolfile: optional(hostPath),
  secrets: secretsField,
  sshAgent: optional(boolean()),
  owner,
});

export const execParams = object({
  name: machineName,
  argv: words,
  env: optional(words),
  cwd: optional(word),
  user: optional(word),
  tty: optional(object({ columns: side, rows: side })),
  stdin: boolean(),
  detach: optional(boolean()),
  secrets: secretsField,
});

export const machineParams = object({ name: machineName, method: string() });

export const copyParams = object({
  name: machineName,
  path: word,
  hostPath: optional(hostPath),
  mode: optional(pipe(number(), integer(), minValue(0), maxValue(0o7777))),
  parents: optional(boolean()),
  maxBytes: optional(pipe(number(), integer(), minValue(0))),
});

export const logsParams = object({
  name: machineName,
  log: optional(picklist(["workload", "console"])),
  tail: optional(pipe(number(), integer(), minValue(0))),
  follow: optional(boolean()),
});

export const pullParams = object({ image: word, platform: optional(word) });

/** As the machine library has them. */
export const secretsOf = (given: InferOutput<typeof secretsField>) =>
  given?.map((secret) =>
    "env" in secret
      ? { name: secret.name, from: "env" as const, source: secret.env }
      : { name: secret.name, from: "file" as const, source: secret.file },
  );
