import { list, optionalValue } from "../program/types.ts";
import {
  parseExposeSocket,
  parseKeyFingerprint,
  parseMountSocket,
  parseSecretEnv,
  parseSecretFile,
} from "../values/lent.ts";
import { parseSwitch } from "../values/text.ts";

/** Variables whose values stay on the host until they are needed. */
export const secretOptions = {
  secretEnv: list({
    long: "secret-env",
    placeholder: "NAME=VAR",
    description: "Set a variable to the host's, looked up anew, never stored",
    parse: parseSecretEnv,
  }),
  secretFile: list({
    long: "secret-file",
    placeholder: "NAME=FILE",
    description: "The same from a file of the host, by its absolute path",
    hint: { kind: "file" },
    parse: parseSecretFile,
  }),
};

/** What else the host lends a machine. */
export const lentOptions = {
  sshAgent: optionalValue({
    long: "ssh-agent",
    placeholder: "SWITCH",
    description: "Lend the machine your SSH agent; keys stay on the host",
    hint: { kind: "choice", values: ["on", "off"] },
    parse: parseSwitch,
    bare: true,
  }),
  sshAgentKeys: list({
    long: "ssh-agent-key",
    placeholder: "KEY",
    description: "Lend only this key, SHA256:... as in ssh-add -l; none: all",
    parse: parseKeyFingerprint,
  }),
  mountSockets: list({
    long: "mount-socket",
    placeholder: "HOST:GUEST",
    description: "Let the machine connect to a Unix socket of the host",
    hint: { kind: "file" },
    parse: parseMountSocket,
  }),
  exposeSockets: list({
    long: "expose-socket",
    placeholder: "GUEST",
    description: "Reach its Unix socket on the host; GUEST:HOST says where",
    parse: parseExposeSocket,
  }),
};
