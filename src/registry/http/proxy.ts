import { SmolError } from "../../errors.ts";
import { bypasses } from "./no-proxy.ts";

/** What `--proxy` and `--no-proxy` say; each wins over the environment's variable. */
export interface ProxyChoice {
  /** Empty: no proxy at all. */
  readonly url?: string | undefined;
  readonly noProxy?: string | undefined;
}

export interface Proxy {
  /** With the user and password that it wants: never for messages. */
  readonly url: string;
  /** For messages. */
  readonly host: string;
  /** Without user and password. */
  readonly address: URL;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for an address, by the rules of curl and Go: HTTPS_PROXY or HTTP_PROXY by scheme, then ALL_PROXY, each
 * also in lower case; NO_PROXY lists what is reached directly. This machine itself always is.
 *
 * @throws SmolError `registry.bad_proxy`
 */
export function chooseProxy(url: URL, env: Environment, choice: ProxyChoice = {}): Proxy | undefined {
  if (isLoopback(url.hostname)) return undefined;
  const given = choice.url ?? fromEnvironment(url.protocol, env);
  if (given === "") return undefined;
  const noProxy = choice.noProxy ?? (env.NO_PROXY || env.no_proxy || "");
  if (bypasses(url, noProxy)) return undefined;
  return parseProxy(given);
}

function fromEnvironment(protocol: string, env: Environment): string {
  // HTTP_PROXY can be a header of a client's request in a CGI program (CVE-2016-5385).
  const cgi = env.REQUEST_METHOD !== undefined;
  const own =
    protocol === "https:"
      ? env.HTTPS_PROXY || env.https_proxy
      : (cgi ? undefined : env.HTTP_PROXY) || env.http_proxy;
  return own || env.ALL_PROXY || env.all_proxy || "";
}

/** `http://user:password@host:port`; a host alone is http. The text is not repeated: it may hold a password. */
function parseProxy(text: string): Proxy {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const address = URL.canParse(full) ? new URL(full) : undefined;
  if (address === undefined || address.hostname === "") {
    throw new SmolError("registry.bad_proxy", "the address of the proxy cannot be understood", {
      hint: "write it like http://host:port, see HTTPS_PROXY, ALL_PROXY and --proxy",
    });
  }
  if (address.protocol !== "http:" && address.protocol !== "https:") {
    throw new SmolError("registry.bad_proxy", `proxies of the kind ${address.protocol}// are not supported`, {
      hint: "http:// and https:// proxies are",
    });
  }
  const url = address.href;
  address.username = "";
  address.password = "";
  return { url, host: address.host, address };
}

/** Passwords of all proxies that might be used, in every form that they are sent in. */
export function proxySecrets(env: Environment, choice: ProxyChoice = {}): string[] {
  const urls = [
    choice.url,
    ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].flatMap((name) => [env[name], env[name.toLowerCase()]]),
  ];
  return urls.flatMap((text) => {
    const match = /^(?:[^/]*\/\/)?([^/@]*):([^/@]*)@/.exec(text ?? "");
    const [user = "", password = ""] = (match ?? []).slice(1);
    if (password === "") return [];
    const plain = [decode(user), decode(password)] as const;
    return [password, plain[1], Buffer.from(plain.join(":")).toString("base64")];
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether a host, as URLs spell it, is this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
