import { SmolError } from "../../errors.ts";
import { clientCertificate, extraCertificates, systemCertificates } from "./certificates.ts";

/** What fetch takes as `tls`. */
export interface TlsOptions {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: false;
}

export interface TrustOptions {
  /** As references spell it: directories of certificates are named after it. */
  readonly registry: string;
  readonly caFile: string | undefined;
  /** Accept any certificate. */
  readonly insecure: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Whom to trust in conversations with one registry, and with the storage and token servers it names. `ca` replaces
 * what fetch trusts by itself (measured, Bun 1.4.5), so it holds the system's authorities too.
 *
 * @returns by origin: our own certificate is shown to the registry only.
 * @throws SmolError `registry.tls` when a file that was named cannot be used.
 */
export async function loadTrust(options: TrustOptions): Promise<(own: boolean) => TlsOptions> {
  const client = await clientCertificate(options.registry, options.env);
  if (options.insecure) {
    return (own) => ({ rejectUnauthorized: false, ...(own ? client : {}) });
  }
  const system = await systemCertificates();
  const extra = await extraCertificates(options, new Set(system));
  const ca = [...system, ...extra];
  if (ca.length === 0)
    throw new SmolError("registry.tls", "there are no certificates of authorities to trust");
  return (own) => ({ ca, ...(own ? client : {}) });
}
