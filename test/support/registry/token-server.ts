import { createPrivateKey, randomUUID, sign } from "node:crypto";
import { copyFileSync, readFileSync } from "node:fs";
import { type Authority, certificateBase64 } from "./certificates.ts";

/** What was asked for at the token server, and how. */
export interface TokenRequest {
  readonly method: string;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  /** The user whose password was right; undefined for nobody in particular. */
  readonly user: string | undefined;
  /** `grant_type` of an OAuth2 request (POST). */
  readonly grant: string | undefined;
}

export interface TokenServer {
  readonly realm: string;
  readonly requests: readonly TokenRequest[];
  /** The `auth.token` section of a docker-registry that believes this server. */
  readonly trust: (directory: string) => Record<string, string>;
  /** Whether a bearer token of this server is still good for an action on a repository. */
  readonly accepts: (authorization: string | undefined, repository: string, action: string) => boolean;
  /** Tokens issued before are worth nothing from now on, for `accepts`. */
  readonly revoke: () => void;
  readonly stop: () => Promise<void>;
}

export interface TokenOptions {
  /** Signs the tokens; docker-registry checks that. */
  readonly authority: Authority;
  /** Who may have tokens; without it, everybody. */
  readonly users?: Record<string, string> | undefined;
  /** Refresh tokens that are taken in place of a password. */
  readonly refreshTokens?: readonly string[] | undefined;
  /** How long tokens last. Default 300 s; docker-registry allows a minute more (its leeway), so -55 gives 5 s there. */
  readonly seconds?: number | undefined;
  /** What clients are told of that; default the truth. */
  readonly announcedSeconds?: number | undefined;
  /** Fields of the answer: `token` as docker's specification says, `access_token` as OAuth2 says. */
  readonly answer?: ((token: string, seconds: number) => object) | undefined;
}

interface Issued {
  readonly access: readonly { name: string; actions: readonly string[] }[];
  readonly expires: number;
}

const SERVICE = "registry.test";
const ISSUER = "smolvm test tokens";

/**
 * A token server as docker's registry specification describes it
 * (https://distribution.github.io/distribution/spec/auth/token/ and /oauth/), with real signatures.
 */
export function startTokenServer(options: TokenOptions): TokenServer {
  const { authority, users, seconds = 300, announcedSeconds = seconds } = options;
  const issued = new Map<string, Issued>();
  const requests: TokenRequest[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const isForm = request.method === "POST";
      const form = isForm ? new URLSearchParams(await request.text()) : new URL(request.url).searchParams;
      const scopes = form.getAll("scope").flatMap((scope) => scope.split(" "));
      const grant = form.get("grant_type") ?? undefined;
      const user = isForm ? formUser(form, options) : basicUser(request.headers.get("authorization"), users);
      requests.push({
        method: request.method,
        service: form.get("service") ?? undefined,
        scopes,
        user,
        grant,
      });
      if (users !== undefined && user === undefined)
        return Response.json(
          { errors: [{ code: "UNAUTHORIZED", message: "who are you?" }] },
          { status: 401 },
        );
      const access = scopes.filter((scope) => scope !== "").map(parseScope);
      const token = signedToken(authority, user ?? "", access, seconds);
      issued.set(token, { access, expires: Date.now() + seconds * 1000 });
      return Response.json(
        options.answer?.(token, announcedSeconds) ?? { token, expires_in: announcedSeconds },
      );
    },
  });
  const realm = `http://127.0.0.1:${server.port}/token`;
  return {
    realm,
    requests,
    trust(directory) {
      copyFileSync(authority.certificate, `${directory}/tokens.pem`);
      return { realm, service: SERVICE, issuer: ISSUER, rootcertbundle: `${directory}/tokens.pem` };
    },
    accepts(authorization, repository, action) {
      const found = issued.get(/^Bearer (.*)$/.exec(authorization ?? "")?.[1] ?? "");
      if (found === undefined || found.expires < Date.now()) return false;
      return found.access.some(({ name, actions }) => name === repository && actions.includes(action));
    },
    revoke: () => issued.clear(),
    stop: () => server.stop(true),
  };
}

/** The challenge of a registry that takes this server's tokens. */
export const challenge = (server: TokenServer, repository: string) =>
  `Bearer realm="${server.realm}",service="${SERVICE}",scope="repository:${repository}:pull"`;

function basicUser(header: string | null, users: Record<string, string> = {}): string | undefined {
  const encoded = /^Basic (.*)$/.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const [name = "", ...password] = Buffer.from(encoded, "base64").toString().split(":");
  return users[name] === password.join(":") ? name : undefined;
}

function formUser(
  form: URLSearchParams,
  { users = {}, refreshTokens = [] }: TokenOptions,
): string | undefined {
  if (form.get("grant_type") === "refresh_token")
    return refreshTokens.includes(form.get("refresh_token") ?? "") ? "by refresh token" : undefined;
  const name = form.get("username") ?? "";
  return users[name] !== undefined && users[name] === form.get("password") ? name : undefined;
}

/** `repository:some/name:pull,push`; names may hold a port with its colon. */
function parseScope(scope: string): { type: string; name: string; actions: string[] } {
  const [type = "", ...rest] = scope.split(":");
  const actions = rest.pop() ?? "";
  return { type, name: rest.join(":"), actions: actions.split(",") };
}

/** A JSON web token with the claims of docker's token specification, signed with ES256. */
function signedToken(authority: Authority, user: string, access: object[], seconds: number): string {
  const now = Math.floor(Date.now() / 1000);
  const header = { typ: "JWT", alg: "ES256", x5c: [certificateBase64(authority.certificate)] };
  const times = { exp: now + seconds, nbf: now - 10, iat: now };
  const claims = { iss: ISSUER, sub: user, aud: SERVICE, ...times, jti: randomUUID(), access };
  const unsigned = [header, claims].map((part) => base64url(JSON.stringify(part))).join(".");
  const key = createPrivateKey(readFileSync(authority.key));
  return `${unsigned}.${base64url(sign("sha256", Buffer.from(unsigned), { key, dsaEncoding: "ieee-p1363" }))}`;
}

const base64url = (bytes: string | Uint8Array) => Buffer.from(bytes).toString("base64url");
