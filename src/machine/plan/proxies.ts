import { HOST_NAME } from "../../net/policy/names.ts";
import type { MachineSpec } from "../model/index.ts";

const NAMES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/**
 * The host's variables about proxies, as its machine needs them (`--proxy-env`): a proxy on the host's loopback is, seen
 * from there, at the gateway. Whether that may be reached is the policy's to say.
 *
 * @returns `NAME=value`, in both cases as far as the host has them
 */
export function proxyVariables(
  { network }: Pick<MachineSpec, "network">,
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  if (network?.proxyEnv !== true) return [];
  return [...NAMES, ...NAMES.map((name) => name.toLowerCase())].flatMap((name) => {
    const value = environment[name];
    if (value === undefined || value === "") return [];
    return [`${name}=${name.toUpperCase() === "NO_PROXY" ? value : seenFromGuest(value)}`];
  });
}

/** Only the host changes: user, password and path stay as they are. */
function seenFromGuest(proxy: string): string {
  return proxy.replace(
    /^((?:[a-z][a-z0-9+.-]*:\/\/)?(?:[^/]*@)?)(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?=[:/]|$)/i,
    `$1${HOST_NAME}`,
  );
}
