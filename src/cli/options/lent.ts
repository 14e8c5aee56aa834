import { resolve } from "node:path";
import { usageError } from "../usage.ts";
import type { ExposedSocket, MountedSocket, Secret } from "../values/lent.ts";

export interface SecretValues {
  readonly secretEnv: readonly Secret[];
  readonly secretFile: readonly Secret[];
}

/**
 * The secrets that options name.
 *
 * @throws SmolError `cli.conflict` for a name that is given twice
 */
export function secretsOf({ secretEnv, secretFile }: SecretValues): readonly Secret[] {
  const secrets = [...secretEnv, ...secretFile];
  const names = secrets.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw usageError(
      "cli.conflict",
      `the secret ${JSON.stringify(twice)} is given twice`,
      "give it one source",
    );
  return secrets;
}

interface LentValues {
  readonly sshAgent: boolean | undefined;
  readonly sshAgentKeys: readonly (string | null)[];
  readonly mountSockets: readonly MountedSocket[];
  readonly exposeSockets: readonly ExposedSocket[];
}

/** What the options about agent and sockets say; paths of the host are absolute. Whoever names a key wants the agent. */
export function lentLayer({ sshAgent, sshAgentKeys, mountSockets, exposeSockets }: LentValues) {
  const keys = sshAgentKeys.filter((key) => key !== null);
  return {
    sshAgent: sshAgent ?? (keys.length > 0 ? true : undefined),
    sshAgentKeys: sshAgentKeys.length === 0 ? undefined : keys,
    mountSockets:
      mountSockets.length === 0
        ? undefined
        : mountSockets.map(({ host, guest }) => ({ host: resolve(host), guest })),
    exposeSockets:
      exposeSockets.length === 0
        ? undefined
        : exposeSockets.map(({ host, guest }) => ({ guest, host: host === null ? null : resolve(host) })),
  };
}
