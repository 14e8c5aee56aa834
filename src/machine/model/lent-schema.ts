/** What the host lends a machine: secrets, the user's SSH agent, sockets. lent.ts has the rules beside the shape. */
import { array, boolean, maxLength, nullable, object, picklist, pipe } from "valibot";
import { text } from "./parts-schema.ts";

const MAX_SECRETS = 256;
const MAX_KEYS = 64;
const MAX_SOCKETS = 64;

export const lentFields = {
  /** Variables whose values are looked up on the host each time; the values are in no description. */
  secrets: pipe(
    array(
      object({
        /** Of the variable in the guest. */
        name: text,
        from: picklist(["env", "file"]),
        /** Name of the host's variable, or absolute path of the host's file. */
        source: text,
      }),
    ),
    maxLength(MAX_SECRETS),
  ),
  /** Programs of the machine may use the SSH agent of whoever starts it. */
  sshAgent: boolean(),
  /** Fingerprints of the keys that they may see and use; empty: all. */
  sshAgentKeys: pipe(array(text), maxLength(MAX_KEYS)),
  /** Sockets of the host that programs of the machine may connect to. */
  mountSockets: pipe(array(object({ host: text, guest: text })), maxLength(MAX_SOCKETS)),
  /** Sockets of the guest that programs of the host may connect to; null: one in the machine's directory. */
  exposeSockets: pipe(array(object({ guest: text, host: nullable(text) })), maxLength(MAX_SOCKETS)),
};
