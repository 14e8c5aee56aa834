import { list, value } from "../program/types.ts";
import { parseText } from "../values/text.ts";

/** Who has to have signed a pack. */
export const verifyKeys = list({
  long: "verify-key",
  placeholder: "FILE",
  description: "Refuse a pack that none of these public keys has signed",
  hint: { kind: "file" },
  parse: parseText,
});

/** A machine that was packed. */
export const fromOptions = {
  from: value({
    long: "from",
    placeholder: "FILE",
    description: "A pack (.smolmachine) in place of an image; options win",
    hint: { kind: "file" },
    parse: parseText,
  }),
  verifyKeys,
};
