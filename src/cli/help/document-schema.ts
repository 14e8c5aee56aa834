/**
 * The help for programs: `smolvm help --json`. docs/schema/help.schema.json is made from this schema. Its skeleton is
 * the one that adapters of this kind print of themselves (docs/pilot.md), so that one reader fits both.
 */
import { array, boolean, type InferOutput, literal, object, picklist, record, string } from "valibot";

const methodSchema = object({
  /** The command's words, with blanks between them. */
  method: string(),
  argv: array(string()),
  aliases: array(string()),
  /** utility: does something. status: only looks. meta: is about the program itself. */
  kind: picklist(["utility", "status", "meta"]),
  summary: string(),
  usage: string(),
  /** One of `duration_classes`. */
  duration: picklist(["fast", "med", "slow"]),
  /** What each option does; `<NAME>` in front when it takes a value. */
  params: record(string(), string()),
  /** What follows the options, or its `--`, reaches a program in a machine unchanged. */
  passthrough: boolean(),
  /** At a terminal it may ask something, or be a session. */
  interactive: boolean(),
  /** It has an option --json. */
  json: boolean(),
  /** What the exit codes mean. */
  exit: record(string(), string()),
  examples: array(string()),
});

export const helpSchema = object({
  /** Of this document: a later version adds keys, and takes none away. */
  schema: literal(1),
  app: string(),
  version: string(),
  description: string(),
  duration_classes: object({ fast: string(), med: string(), slow: string() }),
  methods: array(methodSchema),
});

export type HelpDocument = InferOutput<typeof helpSchema>;
export type HelpMethod = InferOutput<typeof methodSchema>;
