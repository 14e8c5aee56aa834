import { SmolError } from "../../errors.ts";

/** An archive that is not what the format says. */
export function damaged(what: string): SmolError {
  return new SmolError("image.bad_archive", `damaged or unsupported tar archive: ${what}`);
}

export function beyond(what: string): SmolError {
  return new SmolError("image.limit", `tar archive refused: ${what}`);
}
