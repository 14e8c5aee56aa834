import script from "../../../install.sh" with { type: "text" };

/** Where releases are, and who signs them. */
export interface Publisher {
  readonly url: string;
  /** The body of a PEM public key (SubjectPublicKeyInfo, RFC 8410) on one line; undefined: they are not signed. */
  readonly key: string | undefined;
}

/**
 * `install.sh` with the lines filled in that say where the release is, and who signed it.
 *
 * @throws Error for an address or a key with characters that could mean something to a shell
 */
export function installerFor({ url, key }: Publisher): string {
  const values: Record<string, string> = {
    url,
    key: key ?? "",
    ssh_key: key === undefined ? "" : sshPublicKey(key),
  };
  return script.replace(
    /^release_(url|key|ssh_key)=.*$/gm,
    (_, name: string) => `release_${name}='${shellSafe(values[name] ?? "")}'`,
  );
}

function shellSafe(value: string): string {
  if (!/^[\w.:/+=@%~-]*$/.test(value)) throw new Error(`${value} has characters that no address needs`);
  return value;
}

/**
 * An ed25519 key as in an authorized_keys file, without the name of its type.
 *
 * @param key as in `Publisher`; its own bytes are the last 32 of its SubjectPublicKeyInfo
 */
export function sshPublicKey(key: string): string {
  const spki = Buffer.from(key, "base64");
  return Buffer.concat([sshString("ssh-ed25519"), sshString(spki.subarray(-32))]).toString("base64");
}

/** As RFC 4251 writes one: its length in four bytes, then itself. */
export function sshString(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as Uint8Array);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
