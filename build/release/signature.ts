import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";

/**
 * Signs a release with an ed25519 key, for both programs that verify such a signature almost everywhere: `openssl` 3
 * (the signature alone, RFC 8032) and `ssh-keygen -Y verify` (OpenSSH's PROTOCOL.sshsig).
 */

/** What the signature is for: the same key may sign other things, which are no releases. */
export const NAMESPACE = "smolvm-release";

const KEY_TYPE = "ssh-ed25519";

export interface ReleaseKey {
  /** The body of a PEM public key (SubjectPublicKeyInfo, RFC 8410) on one line; what installations remember. */
  readonly pem: string;
  /** As in an authorized_keys file, without the name of its type. */
  readonly ssh: string;
  /** 64 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** @param pem a private key as `openssl genpkey -algorithm ed25519` writes it. @throws Error for any other. */
export function releaseKey(pem: string): ReleaseKey {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== "ed25519") throw new Error("a release is signed with an ed25519 key");
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  return {
    pem: spki.toString("base64"),
    ssh: sshPublicKey(spki).toString("base64"),
    sign: (message) => sign(null, message, key as KeyObject),
  };
}

/** The message's signature as a file for `ssh-keygen -Y verify`. */
export function sshSignature({ ssh, sign }: ReleaseKey, message: Uint8Array): string {
  const hash = createHash("sha512").update(message).digest();
  const about = [string(NAMESPACE), string(""), string("sha512")];
  const signed = Buffer.concat([Buffer.from("SSHSIG"), ...about, string(hash)]);
  const signature = Buffer.concat([string(KEY_TYPE), string(sign(signed))]);
  const version = Buffer.from([0, 0, 0, 1]);
  const key = string(Buffer.from(ssh, "base64"));
  const blob = Buffer.concat([Buffer.from("SSHSIG"), version, key, ...about, string(signature)]);
  const body = blob.toString("base64").replace(/.{70}/g, "$&\n");
  return `-----BEGIN SSH SIGNATURE-----\n${body}\n-----END SSH SIGNATURE-----\n`;
}

/** The key's own bytes are the last 32 of its SubjectPublicKeyInfo. */
const sshPublicKey = (spki: Buffer) => Buffer.concat([string(KEY_TYPE), string(spki.subarray(-32))]);

/** As RFC 4251 writes one: its length in four bytes, then itself. */
function string(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as Uint8Array);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
