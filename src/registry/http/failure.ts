import type { SmolError } from "../../errors.ts";

/** A failure that may pass: the request is tried again a few times before `error` reaches the user. */
export class Transient extends Error {
  /** @param detail.delayMs what the server asked to wait. @param detail.absent nothing is there at all. */
  constructor(
    readonly error: SmolError,
    readonly detail: { readonly delayMs?: number | undefined; readonly absent?: boolean } = {},
  ) {
    super(error.message);
    this.name = "Transient";
  }
}
