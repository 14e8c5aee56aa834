import { encodeWire, WireReader, type WireValue } from "./wire.ts";

/** `SHA256:` and the digest in base64 without padding, as `ssh-add -l` prints it. */
export const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

/** Public fields of each kind of key, all of them strings on the wire (RFC 4253 6.6, RFC 5656, RFC 8709, PROTOCOL.u2f). */
const FIELDS: ReadonlyMap<string, number> = new Map([
  ["ssh-rsa", 2],
  ["ssh-dss", 4],
  ["ssh-ed25519", 1],
  ["ecdsa-sha2-nistp256", 2],
  ["ecdsa-sha2-nistp384", 2],
  ["ecdsa-sha2-nistp521", 2],
  ["sk-ssh-ed25519@openssh.com", 2],
  ["sk-ecdsa-sha2-nistp256@openssh.com", 3],
]);

/** `ssh-ed25519-cert-v01@openssh.com`, `sk-ssh-ed25519-cert-v01@openssh.com` (PROTOCOL.certkeys). */
const CERTIFICATE = /^(.+)-cert-v01@openssh\.com$/;

/**
 * The fingerprint of a public key as the agent protocol carries it. A certificate has that of the key that it is for, as
 * OpenSSH says it. What is no key that is known here has one too: that of its bytes.
 */
export function fingerprintOf(blob: Uint8Array): string {
  const digest = new Bun.CryptoHasher("sha256").update(plainKeyOf(blob) ?? blob).digest("base64");
  return `SHA256:${digest.replace(/=+$/, "")}`;
}

/** The key inside a certificate; undefined for what is no certificate, or a damaged one. */
function plainKeyOf(blob: Uint8Array): Uint8Array | undefined {
  try {
    const reader = new WireReader(blob);
    const name = CERTIFICATE.exec(reader.text())?.[1];
    if (name === undefined) return undefined;
    const plain = name.startsWith("sk-") ? `${name}@openssh.com` : name;
    const count = FIELDS.get(plain);
    if (count === undefined) return undefined;
    reader.string(); // a nonce
    const fields: WireValue[] = [];
    for (let i = 0; i < count; i++) fields.push(reader.string());
    return encodeWire([plain, ...fields]);
  } catch {
    return undefined;
  }
}
