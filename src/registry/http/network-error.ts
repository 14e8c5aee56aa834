import { errnoOf, messageOf, SmolError } from "../../errors.ts";
import { Transient } from "./failure.ts";

/** What fetch says when a certificate is refused (names of OpenSSL), and what that means. */
const certificateErrors: Readonly<Record<string, string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is signed by an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is signed by an unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is signed by an unknown authority",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is signed by an unknown authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself",
  CERT_UNTRUSTED: "its certificate is not trusted",
  CERT_REJECTED: "its certificate is not trusted",
  INVALID_CA: "its certificate is signed by something that is no authority",
  INVALID_PURPOSE: "its certificate is not made for servers",
  PATH_LENGTH_EXCEEDED: "its chain of certificates is longer than it may be",
  CERT_SIGNATURE_FAILURE: "the signature of its certificate is wrong",
  CERT_CHAIN_TOO_LONG: "its chain of certificates is too long",
  CERT_REVOKED: "its certificate was revoked",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
};

const hints: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the server needs a new certificate, or this machine's clock is wrong",
  CERT_NOT_YET_VALID: "this machine's clock may be wrong",
  ERR_TLS_CERT_ALTNAME_INVALID: "use the name that the certificate is for, or have one made for this name",
};

const unknownAuthorityHint =
  "name the authority's certificate with ca_file in config.toml (smolvm config registries edit) or SSL_CERT_FILE";

/** No server is there: retries do not help, unless one was there before. */
const absent: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens at",
  ConnectionRefused: "nothing listens at",
  ENOTFOUND: "there is no host called",
};

const unreachable = new Set([
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "ETIMEDOUT",
  "FailedToOpenSocket",
]);

/**
 * What fetch threw, as an error for users or as a failure that may pass. Its own message is not used: it can hold a
 * whole URL, and URLs of storage are signed.
 *
 * @param proxy host of the proxy that was used.
 */
export function networkError(error: unknown, url: URL, proxy: string | undefined): SmolError | Transient {
  const code = errnoOf(error) ?? "";
  const where = proxy === undefined ? url.host : `${url.host} through the proxy ${proxy}`;
  const certificate = certificateErrors[code];
  if (certificate !== undefined) {
    return new SmolError("registry.tls", `${where} cannot be trusted: ${certificate}`, {
      hint: hints[code] ?? unknownAuthorityHint,
    });
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL_")) {
    return new SmolError("registry.not_https", `${where} does not speak https`, {
      hint: "if it speaks plain http, set insecure = true for it in config.toml (smolvm config registries edit)",
    });
  }
  if (code === "ERR_PROXY_TUNNEL") {
    const status = Number(/: (\d{3})\b/.exec(messageOf(error))?.[1] ?? 0);
    return proxyRefusal(url, proxy, status);
  }
  const nobody = absent[code];
  if (nobody !== undefined) {
    return new Transient(nobodyThere(nobody, code, url, proxy), { absent: true });
  }
  if (unreachable.has(code)) {
    return new Transient(new SmolError("registry.unreachable", `${where} cannot be reached (${code})`));
  }
  const detail = /^[A-Za-z0-9_]{1,40}$/.test(code) ? ` (${code})` : "";
  return new Transient(
    new SmolError("registry.broken_connection", `the connection to ${where} broke${detail}`),
  );
}

/** @param status that the proxy answered with: 5xx may pass. */
export function proxyRefusal(url: URL, proxy: string | undefined, status: number): SmolError | Transient {
  const said = status === 0 ? "" : `: status ${status}`;
  const hint = "its address may need a user and a password: http://user:password@host:port";
  const what = `the proxy ${proxy ?? ""} refuses to connect to ${url.host}${said}`;
  const error = new SmolError("registry.unreachable", what, status === 407 ? { hint } : {});
  return status >= 500 ? new Transient(error) : error;
}

/** With a proxy, only its own name is looked up and only it is connected to: what it cannot reach, it says itself. */
function nobodyThere(nobody: string, code: string, url: URL, proxy: string | undefined): SmolError {
  const host = proxy ?? url.host;
  const who = code === "ENOTFOUND" ? host.replace(/:[0-9]+$/, "") : host;
  if (proxy === undefined) {
    return new SmolError("registry.unreachable", `${nobody} ${who}`, { hint: spelling(code) });
  }
  return new SmolError("registry.unreachable", `the proxy is not there: ${nobody} ${who}`, {
    hint: "its address comes from --proxy, HTTPS_PROXY, HTTP_PROXY or ALL_PROXY; NO_PROXY lists hosts to reach without it",
  });
}

const spelling = (code: string) =>
  code === "ENOTFOUND"
    ? "check the spelling, and whether this machine is online; a proxy comes from HTTPS_PROXY or --proxy"
    : "check that the registry runs, and its port";
