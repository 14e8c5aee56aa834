import { writeFileSync } from "node:fs";
import { toJsonSchema } from "@valibot/to-json-schema";
import { helpSchema } from "../src/cli/help/document-schema.ts";
import { machineJsonSchema } from "../src/machine/client/summary-schema.ts";
import { smolfileSchema } from "../src/smolfile/index.ts";

/**
 * JSON schemas for editors and other programs, made from the schemas that the program itself uses.
 * `bun build/schemas.ts` writes those of docs/schema/ anew; a test says when that was forgotten.
 */
export const SCHEMAS: Readonly<Record<string, () => object>> = {
  "docs/schema/help.schema.json": help,
  "docs/schema/machine.schema.json": machine,
  "docs/schema/smolfile.schema.json": smolfile,
};

function smolfile(): object {
  // What only a function can tell, editors do not check.
  return titled(
    "src/smolfile/schema.ts",
    "Smolfile",
    "A machine of smolvm.",
    toJsonSchema(smolfileSchema, { ignoreActions: ["check"] }),
  );
}

/** Later versions add keys: a schema that forbade unknown ones would refuse their output. */
function machine(): object {
  return titled(
    "src/machine/client/summary-schema.ts",
    "Machine",
    "A machine, as `smolvm machine ls --json` prints an array of them, and `status --json` one. Times are seconds " +
      "since the epoch. Null: it does not apply, or is not known. Later versions add keys, and take none away.",
    toJsonSchema(machineJsonSchema),
  );
}

function help(): object {
  return titled(
    "src/cli/help/document-schema.ts",
    "Help",
    "The commands of smolvm and how to call them, as `smolvm help --json` prints them. Later versions add keys, and " +
      "take none away.",
    toJsonSchema(helpSchema),
  );
}

/** @param source file that it is made from */
function titled(
  source: string,
  title: string,
  description: string,
  made: { $schema?: string | undefined },
): object {
  const { $schema, ...schema } = made;
  const $comment = `Made from ${source}: do not edit; \`bun build/schemas.ts\` writes it anew.`;
  return { $schema, $comment, title, description, ...schema };
}

export function textOf(schema: object): string {
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

if (import.meta.main) {
  for (const [file, make] of Object.entries(SCHEMAS))
    writeFileSync(`${import.meta.dir}/../${file}`, textOf(make()));
}
