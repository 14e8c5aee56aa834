import type { TemplateMode } from "../../config/index.ts";
import { SmolError } from "../../errors.ts";

/** What is known of a start when its VM is about to be launched. */
export interface Circumstances {
  readonly mode: TemplateMode;
  /** Why such a VM has no template, whatever is on the disk; undefined: it may have one. */
  readonly never: string | undefined;
  /** There is one. */
  readonly found: boolean;
  /** Why the last attempt to make or to use one has failed, a while ago. */
  readonly failure: string | undefined;
  /** Counts this start among those that had none and might have had one. @returns how many there were, this one included */
  readonly countStart: () => number;
}

/** Who starts one machine, as a job of CI or a container may, does not pay for a template that nobody uses. */
const WORTH_IT = 2;

/**
 * How a VM starts. `make`: it boots, and somebody should make a template for the next ones.
 *
 * @throws SmolError `engine.no_template` where one is required
 */
export function decideStart({
  mode,
  never,
  found,
  failure,
  countStart,
}: Circumstances): "restore" | "boot" | "make" {
  if (mode === "off") return "boot";
  const why = never ?? failure ?? "there is none yet";
  if (never === undefined && failure === undefined && found) return "restore";
  if (mode === "require") throw noTemplate(why);
  return never === undefined && failure === undefined && countStart() >= WORTH_IT ? "make" : "boot";
}

export const noTemplate = (why: string): SmolError =>
  new SmolError("engine.no_template", `the machine cannot go on from a saved guest: ${why}`, {
    hint: "SMOLVM_TEMPLATES=auto boots it, and has a guest saved",
  });
