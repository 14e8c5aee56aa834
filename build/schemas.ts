import { writeFileSync } from "node:fs";
import { toJsonSchema } from "@valibot/to-json-schema";
import { smolfileSchema } from "../src/smolfile/index.ts";

/**
 * JSON schemas for editors and other programs, made from the schemas that the program itself uses.
 * `bun build/schemas.ts` writes those of docs/schema/ anew; a test says when that was forgotten.
 */
export const SCHEMAS: Readonly<Record<string, () => object>> = {
  "docs/schema/smolfile.schema.json": smolfile,
};

function smolfile(): object {
  // What only a function can tell, editors do not check.
  const { $schema, ...schema } = toJsonSchema(smolfileSchema, { ignoreActions: ["check"] });
  return { $schema, $comment: MADE, title: "Smolfile", description: "A machine of smolvm.", ...schema };
}

const MADE = "Made from src/smolfile/schema.ts: do not edit; `bun build/schemas.ts` writes it anew.";

export function textOf(schema: object): string {
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

if (import.meta.main) {
  for (const [file, make] of Object.entries(SCHEMAS))
    writeFileSync(`${import.meta.dir}/../${file}`, textOf(make()));
}
