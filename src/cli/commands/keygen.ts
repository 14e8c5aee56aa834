import { print } from "../output.ts";
import { command } from "../program/command.ts";
import { valueOr } from "../program/types.ts";
import { parseText } from "../values/text.ts";

export const keygen = command({
  path: ["keygen"],
  summary: "Make a pair of keys, to sign packs and to verify them",
  options: {
    output: valueOr({
      long: "output",
      short: "o",
      placeholder: "NAME",
      description: "The files are NAME.key and NAME.pub",
      fallback: "smolvm",
      hint: { kind: "file" },
      parse: parseText,
    }),
  },
  text: `Makes an ed25519 key pair: NAME.key is private (pack create --sign), readable by you alone and
without a passphrase; NAME.pub is public (--verify-key). Both are PEM files as OpenSSL has them. A
file that is there is never replaced.`,
  examples: [{ command: "smolvm keygen -o vendor" }],
  run: async ({ values }) => {
    const { writeKeys } = await import("../work/keygen.ts");
    const { privatePath, publicPath } = await writeKeys(values.output);
    await print(`Private key: ${privatePath}\nPublic key: ${publicPath}\n`);
    return 0;
  },
});
