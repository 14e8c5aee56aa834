import { fingerprintOf } from "./keys.ts";
import { WireReader } from "./wire.ts";

/** What a signature is asked for, as far as the data to be signed tells. */
export interface Purpose {
  /** Completes "signed". Hostile text. */
  readonly text: string;
  /** Of the session that is logged in to; undefined for anything else. */
  readonly session?: Uint8Array | undefined;
  /** Fingerprint of the host's key, where the signature itself names it. */
  readonly host?: string | undefined;
}

/** SSH_MSG_USERAUTH_REQUEST (RFC 4252, section 7). */
const USERAUTH_REQUEST = 50;
const HOST_BOUND = "publickey-hostbound-v00@openssh.com";
const SSHSIG = new TextEncoder().encode("SSHSIG");

/** Reads the data of a sign request: a login, a signature of `ssh-keygen -Y sign` (PROTOCOL.sshsig), or anything. */
export function purposeOf(data: Uint8Array): Purpose {
  return attempt(() => readSshsig(data)) ?? attempt(() => readLogin(data)) ?? { text: "unknown data" };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function readSshsig(data: Uint8Array): Purpose | undefined {
  if (!SSHSIG.every((byte, at) => data[at] === byte)) return undefined;
  const namespace = new WireReader(data.subarray(SSHSIG.length)).text();
  return { text: `a message of the namespace ${JSON.stringify(namespace)}` };
}

function readLogin(data: Uint8Array): Purpose | undefined {
  const reader = new WireReader(data);
  const session = reader.string();
  if (reader.byte() !== USERAUTH_REQUEST) return undefined;
  const user = reader.text();
  reader.string(); // a service
  const method = reader.text();
  reader.boolean();
  reader.string(); // an algorithm
  reader.string(); // the key
  const host = method === HOST_BOUND ? fingerprintOf(reader.string()) : undefined;
  reader.end();
  return { text: `a login as ${JSON.stringify(user)}`, session, host };
}
