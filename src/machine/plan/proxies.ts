import { realpathSync, statSync } from "node:fs";
import { HOST_NAME } from "../../net/policy/names.ts";
import type { MachineSpec } from "../model/index.ts";
import type { PlannedVolume } from "./order.ts";

const NAMES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

/** Variables that name a file of certificates: of OpenSSL and Go, curl, Python's requests, Node.js, git. */
const CA_FILES = [
  ...["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"],
];

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

/** What `--proxy-env` brings of the host's authorities: variables, and the files that they name. */
export interface LentAuthorities {
  /** `NAME=value`. */
  readonly variables: readonly string[];
  readonly volumes: readonly PlannedVolume[];
}

/**
 * The host's files of certificates, which programs behind a proxy that looks into TLS have to trust. They are shared for
 * reading as they are, wherever they lie: certificates are no secrets. What names no file is left out.
 */
export function proxyAuthorities(
  { network }: Pick<MachineSpec, "network">,
  environment: Readonly<Record<string, string | undefined>>,
): LentAuthorities {
  if (network?.proxyEnv !== true) return { variables: [], volumes: [] };
  const named = CA_FILES.flatMap((name) => {
    const path = regularFile(environment[name]);
    return path === undefined ? [] : [{ name, path }];
  });
  const paths = [...new Set(named.map(({ path }) => path))];
  const targetOf = (path: string) => `/etc/host-ca/${paths.indexOf(path) + 1}.pem`;
  return {
    variables: named.map(({ name, path }) => `${name}=${targetOf(path)}`),
    volumes: paths.map((path) => ({
      ...{ path, target: targetOf(path), isFile: true, readOnly: true, fill: false },
    })),
  };
}

/** Where the file really is; undefined: there is none. */
function regularFile(path: string | undefined): string | undefined {
  if (path === undefined || !statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  return realpathSync(path);
}
