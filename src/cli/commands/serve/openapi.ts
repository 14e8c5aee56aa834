import { print } from "../../output.ts";
import { command } from "../../program/command.ts";
import { value, valueOr } from "../../program/types.ts";
import { oneOf, parseText } from "../../values/text.ts";

const FORMATS = ["json", "yaml"] as const;

const options = {
  format: valueOr({
    long: "format",
    short: "f",
    placeholder: "FORMAT",
    description: "json or yaml",
    hint: { kind: "choice", values: FORMATS },
    parse: oneOf(FORMATS),
    fallback: "json",
  }),
  output: value({
    long: "output",
    short: "o",
    placeholder: "FILE",
    description: "Write it to FILE",
    hint: { kind: "file" },
    parse: parseText,
    defaultText: "stdout",
  }),
};

export const serveOpenApi = command({
  path: ["serve", "openapi"],
  summary: "Print the OpenAPI document of the HTTP API",
  options,
  text: `Prints what smolvm serve answers to, in OpenAPI 3.1. A server has the same at
/api-docs/openapi.json.`,
  examples: [{ command: "smolvm serve openapi" }, { command: "smolvm serve openapi -f yaml -o api.yaml" }],
  run: async ({ values }) => {
    const { apiDocument } = await import("../../../serve/index.ts");
    const document = apiDocument();
    const text =
      values.format === "json"
        ? JSON.stringify(document, undefined, 2)
        : Bun.YAML.stringify(document, undefined, 2);
    if (values.output === undefined) await print(`${text}\n`);
    else {
      const { writeDocument } = await import("../../work/serve-openapi.ts");
      writeDocument(values.output, `${text}\n`);
    }
    return 0;
  },
});
