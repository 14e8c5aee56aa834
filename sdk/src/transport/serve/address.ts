/** Where a server is, and who asks. */
import { errorOf, type SmolvmError } from "../../errors.ts";

export interface ServerOptions {
  /** `http://127.0.0.1:8080`, `https://…`, `unix:/run/user/1000/smolvm.sock`. */
  readonly url: string;
  /** The word that `--token-file` of the server has. */
  readonly token?: string | undefined;
  /** For a server with `--tls` options: PEM texts. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;
}

export interface Address {
  /** What `node:net`, `node:tls` and `node:http` are told. */
  readonly target: { readonly socketPath: string } | { readonly host: string; readonly port: number };
  readonly tls: ServerOptions["tls"] | "system" | undefined;
  /** Of each request. */
  readonly headers: Readonly<Record<string, string>>;
  /** As people write it. */
  readonly text: string;
}

/** @throws SmolvmError `sdk.bad_request` */
export function addressOf({ url, token, tls }: ServerOptions): Address {
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) throw bad("the token is no single word");
  const authorization: Record<string, string> =
    token === undefined ? {} : { authorization: `Bearer ${token}` };
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(url)?.[1];
  if (path !== undefined) {
    const headers = { host: "localhost", ...authorization };
    return { target: { socketPath: path }, tls: undefined, headers, text: `unix:${path}` };
  }
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw bad(`${url} is no address of a server`);
  }
  const { protocol, hostname, port, host, pathname, search, username } = parsed;
  if (protocol !== "http:" && protocol !== "https:")
    throw bad(`${url} begins with none of http:, https:, unix:`);
  if (username !== "") throw bad("a server takes a token, and no user in its address");
  if (pathname !== "/" || search !== "")
    throw bad(`${url} has more than an address: a server is at the root of it`);
  const isSecure = protocol === "https:";
  return {
    target: {
      host: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: port === "" ? (isSecure ? 443 : 80) : Number(port),
    },
    tls: isSecure ? (tls ?? "system") : undefined,
    headers: { host, ...authorization },
    text: parsed.origin,
  };
}

const bad = (message: string): SmolvmError =>
  errorOf({
    ...{ code: "sdk.bad_request", message },
    hint: 'such as "http://127.0.0.1:8080" or "unix:/run/user/1000/smolvm.sock"',
  });
