import type { Details } from "../table/types.ts";

export const details: Details = {
  text: `Tries each engine on this host and says whether it works, why not, and what to do about it: a CPU
feature, a permission, a package to install. krun needs hardware virtualization that really works;
qemu runs anywhere that qemu-system is installed, more slowly without it.

Exit code: 0 when an engine works and smolvm's directories can be written, else 1.`,
  examples: [{ command: "smolvm doctor" }, { command: "smolvm doctor --json" }],
};
