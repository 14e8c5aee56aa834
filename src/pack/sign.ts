/**
 * Signatures of packs: ed25519 (RFC 8032). Keys are files that other programs read too: a private one in PKCS #8, a
 * public one as SubjectPublicKeyInfo (RFC 8410), both in PEM.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { errnoOf, SmolError } from "../errors.ts";
import { FORMAT_VERSION, SIGNATURE_BYTES } from "./format.ts";

/** Larger ones are no keys. */
const MAX_KEY_BYTES = 16 * 1024;

/** In front of the 32 bytes of a raw public key, to make it a SubjectPublicKeyInfo (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

/** A new key pair, in PEM. */
export function makeKeys(): { readonly privateKey: string; readonly publicKey: string } {
  return generateKeyPairSync("ed25519", {
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
}

/** What a signature signs: that it is one of a pack of this format, and the digest of the section table. */
function message(digest: string): Buffer {
  const version = Buffer.alloc(4);
  version.writeUInt32LE(FORMAT_VERSION);
  return Buffer.concat([Buffer.from("SMOLPACK signature\0"), version, Buffer.from(digest, "hex")]);
}

/** @param digest of the section table, hex. @returns the public key's 32 bytes and the signature's 64 */
export function signDigest(digest: string, key: KeyObject): Buffer {
  return Buffer.concat([rawPublicKey(createPublicKey(key)), sign(null, message(digest), key)]);
}

/** @returns the signer's public key, hex; undefined when the signature is not right */
export function verifySignature(record: Buffer, digest: string): string | undefined {
  const key = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, record.subarray(0, 32)]),
    format: "der",
    type: "spki",
  });
  const isRight = verify(null, message(digest), key, record.subarray(32, SIGNATURE_BYTES));
  return isRight ? record.toString("hex", 0, 32) : undefined;
}

/** The key's 32 bytes. */
export function rawPublicKey(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" }).subarray(SPKI_PREFIX.length);
}

/** @throws SmolError `pack.bad_key` when the file cannot be read, or has no private ed25519 key */
export function readPrivateKey(path: string): KeyObject {
  return ed25519(path, () => createPrivateKey(readKeyFile(path)));
}

/** @returns hex. @throws SmolError `pack.bad_key` when the file cannot be read, or has no public ed25519 key */
export function readPublicKey(path: string): string {
  return rawPublicKey(ed25519(path, () => createPublicKey(readKeyFile(path)))).toString("hex");
}

function readKeyFile(path: string): string {
  try {
    const file = readFileSync(path);
    if (file.length <= MAX_KEY_BYTES) return file.toString("latin1");
  } catch (error) {
    throw badKey(`cannot read the key ${path}: ${errnoOf(error) ?? error}`, error);
  }
  throw badKey(`${path} is too large to be a key`);
}

function ed25519(path: string, read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (error) {
    throw error instanceof SmolError ? error : badKey(`${path} is no key in PEM`, error);
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw badKey(`${path} is no ed25519 key`);
}

const badKey = (message: string, cause?: unknown): SmolError =>
  new SmolError("pack.bad_key", message, { hint: "smolvm keygen makes a pair of keys", cause });
