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
}

/**
 * How a VM starts. `make`: it boots, and somebody should make a template for the next ones.
 *
 * @throws SmolError `engine.no_template` where one is required
 */
export function decideStart({ mode, never, found, failure }: Circumstances): "restore" | "boot" | "make" {
  if (mode === "off") return "boot";
  const why = never ?? failure ?? "there is none yet";
  if (never === undefined && failure === undefined && found) return "restore";
  if (mode === "require") throw noTemplate(why);
  return never === undefined && failure === undefined ? "make" : "boot";
}

export const noTemplate = (why: string): SmolError =>
  new SmolError("engine.no_template", `the machine cannot go on from a saved guest: ${why}`, {
    hint: "SMOLVM_TEMPLATES=eager boots it, and has a guest saved",
  });
