import { confineModes } from "../../confine/types.ts";
import { value } from "../program/types.ts";
import { oneOf } from "../values/text.ts";

/** How a start confines the process of its VM. */
export const confine = value({
  long: "confine",
  placeholder: "MODE",
  description: "Confine the VM: auto, require or off (default: $SMOLVM_CONFINE)",
  hint: { kind: "choice", values: confineModes },
  parse: oneOf(confineModes),
});
