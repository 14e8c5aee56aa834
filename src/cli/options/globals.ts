import { flag, value } from "../program/types.ts";
import { oneOf } from "../values/text.ts";

const ERROR_FORMATS = ["text", "json"] as const;

/** The options of the program itself. The parser knows what `help` and `version` mean. */
export const globals = {
  help: flag({ short: "h", long: "help", description: "Print help: -h in short, --help in full" }),
  version: flag({ short: "V", long: "version", description: "Print the version" }),
  errorFormat: value({
    long: "error-format",
    placeholder: "FORMAT",
    description: "Print errors as text or json (default: json with a command's --json)",
    hint: { kind: "choice", values: ERROR_FORMATS },
    parse: oneOf(ERROR_FORMATS),
  }),
};
