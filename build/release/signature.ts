import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { sshPublicKey, sshString } from "../../src/cli/update/installer.ts";

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
  const body = createPublicKey(key).export({ type: "spki", format: "der" }).toString("base64");
  return {
    pem: body,
    ssh: sshPublicKey(body),
    sign: (message) => sign(null, message, key as KeyObject),
  };
}

/** The message's signature as a file for `ssh-keygen -Y verify`. */
export function sshSignature({ ssh, sign }: ReleaseKey, message: Uint8Array): string {
  const hash = createHash("sha512").update(message).digest();
  const about = [sshString(NAMESPACE), sshString(""), sshString("sha512")];
  const signed = Buffer.concat([Buffer.from("SSHSIG"), ...about, sshString(hash)]);
  const signature = Buffer.concat([sshString(KEY_TYPE), sshString(sign(signed))]);
  const version = Buffer.from([0, 0, 0, 1]);
  const key = sshString(Buffer.from(ssh, "base64"));
  const blob = Buffer.concat([Buffer.from("SSHSIG"), version, key, ...about, sshString(signature)]);
  const body = blob.toString("base64").replace(/.{70}/g, "$&\n");
  return `-----BEGIN SSH SIGNATURE-----\n${body}\n-----END SSH SIGNATURE-----\n`;
}
