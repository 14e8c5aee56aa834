import { SmolError } from "../../errors.ts";
import type { Credentials } from "../credentials/index.ts";
import {
  type Answer,
  type Connections,
  exchange,
  follow,
  notNow,
  type Secrets,
  saidReason,
} from "../http/index.ts";

/** Real tokens have a few kilobytes. */
const MAX_ANSWER = 1024 * 1024;
const MAX_TOKEN = 256 * 1024;
/** What a token lives when nothing is said (Docker's token specification), and at most as long as we keep one. */
const DEFAULT_SECONDS = 60;
const MAX_SECONDS = 24 * 3600;

export interface TokenRequest {
  /** Where tokens are; checked by the caller. */
  readonly realm: URL;
  readonly service: string | undefined;
  /** `repository:library/alpine:pull`; several are separated by blanks. */
  readonly scope: string;
  /** None: an anonymous token. */
  readonly credentials: Exclude<Credentials, { readonly registryToken: string }> | undefined;
  /** Registry, for messages. */
  readonly registry: string;
  readonly signal: AbortSignal | undefined;
}

export interface Token {
  readonly value: string;
  readonly expiresAt: number;
}

/**
 * Gets a token (Docker's token specification; OAuth 2.0 for identity tokens).
 *
 * @returns undefined when the server gives out no anonymous token.
 * @throws Transient, SmolError `registry.unauthorized` for credentials that are not accepted.
 */
export async function fetchToken(
  request: TokenRequest,
  connections: Connections,
  secrets: Secrets,
): Promise<Token | undefined> {
  const answer = await ask(request, connections, secrets);
  const later = await notNow(answer, secrets);
  if (later !== undefined) throw later;
  if (answer.status === 200) return await readToken(answer, secrets);
  const reason = await saidReason(answer, secrets);
  if (request.credentials === undefined && [400, 401, 403, 404].includes(answer.status)) return undefined;
  const host = answer.url.host;
  if (answer.status === 401 || answer.status === 403) {
    throw new SmolError(
      "registry.unauthorized",
      `${request.registry} does not accept your credentials${reason}`,
      {
        hint: `log in again: docker login ${request.registry}, or correct config.toml (smolvm config registries edit)`,
      },
    );
  }
  throw new SmolError("registry.bad_answer", `${host} gives no token: status ${answer.status}${reason}`);
}

function ask(request: TokenRequest, connections: Connections, secrets: Secrets): Promise<Answer> {
  const { realm, service, scope, credentials, signal } = request;
  if (credentials !== undefined && "identityToken" in credentials) {
    secrets.add(credentials.identityToken);
    const body = new URLSearchParams({
      grant_type: "refresh_token",
      service: service ?? realm.hostname,
      client_id: "smolvm",
      scope,
      refresh_token: credentials.identityToken,
    });
    const headers = { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" };
    // Redirects are not followed: they would carry the identity token to another server.
    return exchange({ url: realm, method: "POST", headers, body: body.toString(), signal }, connections);
  }
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const part of scope.split(" ")) if (part !== "") url.searchParams.append("scope", part);
  const headers: Record<string, string> = { Accept: "application/json" };
  if (credentials !== undefined) {
    url.searchParams.set("account", credentials.username);
    headers.Authorization = basicAuthorization(credentials, secrets);
  }
  return follow({ url, method: "GET", headers, signal }, connections);
}

/** RFC 7617, in UTF-8. */
export function basicAuthorization(
  credentials: { readonly username: string; readonly password: string },
  secrets: Secrets,
): string {
  const encoded = Buffer.from(`${credentials.username}:${credentials.password}`, "utf8").toString("base64");
  secrets.add(credentials.password, encoded);
  return `Basic ${encoded}`;
}

async function readToken(answer: Answer, secrets: Secrets): Promise<Token> {
  const host = answer.url.host;
  const bytes = await answer.body.bytes(MAX_ANSWER, `the token of ${host}`);
  const unusable = (what: string) => new SmolError("registry.bad_answer", `${host} gives no token: ${what}`);
  let fields: unknown;
  try {
    fields = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw unusable("its answer is not JSON");
  }
  if (typeof fields !== "object" || fields === null) throw unusable("its answer is not a JSON object");
  const { token, access_token, expires_in } = fields as Record<string, unknown>;
  const value = [token, access_token].find((text) => typeof text === "string" && text !== "");
  if (typeof value !== "string") throw unusable("its answer has none");
  // It becomes a header: a line break in it would be another header.
  if (value.length > MAX_TOKEN || !/^[\x21-\x7e]+$/.test(value))
    throw unusable("it cannot be part of a request");
  secrets.add(value);
  const seconds = typeof expires_in === "number" && expires_in > 0 ? expires_in : DEFAULT_SECONDS;
  return { value, expiresAt: Date.now() + Math.min(seconds, MAX_SECONDS) * 1000 };
}
