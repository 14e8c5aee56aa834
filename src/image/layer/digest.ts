import { SmolError } from "../../errors.ts";

const lengths: Record<string, number> = { sha256: 64, sha512: 128 };

/** Whether a text is a digest that this program can check (OCI image specification, descriptor.md, "Digests"). */
export function isDigest(text: string): boolean {
  const match = /^(sha256|sha512):([0-9a-f]+)$/.exec(text);
  return match !== null && match[2]?.length === lengths[match[1] ?? ""];
}

/** Computes a digest and compares it with the one that was promised. */
export class Digester {
  readonly #expected: string;
  readonly #algorithm: "sha256" | "sha512";
  readonly #hasher: Bun.CryptoHasher;
  #result: string | undefined;

  /** @param expected `sha256:<hex>` or `sha512:<hex>`; without the number, to compute only. */
  constructor(expected: string) {
    this.#expected = expected;
    this.#algorithm = expected.startsWith("sha512:") ? "sha512" : "sha256";
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
    if (this.digest() === this.#expected) return;
    throw new SmolError(
      "image.digest_mismatch",
      `${what} is not what its digest promises: ${this.#expected}`,
      {
        hint: "the image is damaged or was tampered with: fetch or export it again",
      },
    );
  }
}
