import type { Details } from "../table/types.ts";

export const details: Details = {
  text: `Prints the licence and copyright texts of smolvm and of everything that this program carries: the
kernel, the guest's system, the built-in image, libraries and the runtime. They are long:
give them to a pager or a file.`,
  examples: [{ command: "smolvm licences | less" }, { command: "smolvm licences > LICENCES.txt" }],
};
