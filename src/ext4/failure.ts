import { SmolError } from "../errors.ts";

/** What a disk holds is no filesystem that can be read: it is damaged, or made to look like one. */
export const damaged = (what: string): SmolError =>
  new SmolError("disk.damaged", `the machine's filesystem is damaged: ${what}`, {
    hint: "start and stop the machine: a start checks and repairs its filesystems",
  });

export const unsupported = (features: string): SmolError =>
  new SmolError("disk.damaged", `the machine's filesystem has features that are not known here: ${features}`);
