import { printable } from "../printable.ts";

/** What must never be shown: passwords and tokens. A server can send back whatever it was sent. */
export class Secrets {
  readonly #known = new Set<string>();

  add(...secrets: (string | undefined)[]): void {
    // Shorter ones would black out every message and protect nothing.
    for (const secret of secrets) if (secret !== undefined && secret.length >= 3) this.#known.add(secret);
  }

  /** A stranger's text, fit for a message. */
  clean(text: string): string {
    let safe = text;
    for (const secret of this.#known) {
      safe = safe.replaceAll(secret, "***").replaceAll(encodeURIComponent(secret), "***");
    }
    return printable(safe);
  }
}
