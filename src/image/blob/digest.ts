import { SmolError } from "../../errors.ts";

type Algorithm = "sha256" | "sha512";

const algorithmOf = (digest: string): Algorithm => (digest.startsWith("sha512:") ? "sha512" : "sha256");

/** Computes a digest and compares it with the one that was promised. */
export class Digester {
  /** What was promised. */
  readonly expected: string;
  readonly #algorithm: Algorithm;
  readonly #hasher: Bun.CryptoHasher;
  #result: string | undefined;

  /** @param expected `sha256:<hex>` or `sha512:<hex>`; without the number, to compute only. */
  constructor(expected: string) {
    this.expected = expected;
    this.#algorithm = algorithmOf(expected);
    this.#hasher = new Bun.CryptoHasher(this.#algorithm);
  }

  update(bytes: Uint8Array): void {
    this.#hasher.update(bytes);
  }

  digest(): string {
    this.#result ??= `${this.#algorithm}:${this.#hasher.digest("hex")}`;
    return this.#result;
  }

  /** @throws SmolError `image.digest_mismatch` */
  check(what: string): void {
    if (this.digest() !== this.expected) throw digestMismatch(what, this.expected);
  }
}

/** What comes in is not what was promised. */
export function digestMismatch(what: string, expected: string): SmolError {
  return new SmolError("image.digest_mismatch", `${what} is not what its digest promises: ${expected}`, {
    hint: "the image is damaged or was tampered with: fetch or export it again",
  });
}
