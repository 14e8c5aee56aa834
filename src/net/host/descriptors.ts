import { readFileSync } from "node:fs";

/** What is the limit nearly everywhere; the runtime raises the soft limit to the hard one when it starts. */
const USUAL = 4096;

/** How many descriptors this process may have open. */
export function descriptorLimit(): number {
  try {
    const [, soft] =
      /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft ?? USUAL);
  } catch {
    return USUAL;
  }
}
