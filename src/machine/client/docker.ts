import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import { exposedPath } from "../model/index.ts";
import { dataDirectory, requireRecord } from "../store/index.ts";

/** Where Docker's engine listens in a machine; in most images /var/run is a link to /run. */
const ENGINE_SOCKETS = ["/var/run/docker.sock", "/run/docker.sock"];

/**
 * The socket of this host at which the Docker engine of a machine answers, while both run.
 *
 * @returns an absolute path
 * @throws SmolError `machine.not_found`, `docker.not_exposed`
 */
export function dockerSocket({ paths }: Context, name: string): string {
  const { exposeSockets } = requireRecord(paths, name);
  const exposed = exposeSockets.find(({ guest }) => ENGINE_SOCKETS.includes(guest));
  if (exposed !== undefined) return exposedPath(dataDirectory(paths, name), exposed);
  throw new SmolError("docker.not_exposed", `the socket of the Docker engine of '${name}' is not exposed`, {
    hint: `smolvm machine update ${name} --expose-socket ${ENGINE_SOCKETS[0]}`,
  });
}
