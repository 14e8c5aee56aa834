/** Who may ask: what stands between a socket and the routes. */
import { timingSafeEqual } from "node:crypto";
import { Refused } from "../errors.ts";

/** How requests come in. */
export interface Door {
  /**
   * Who comes in is known whatever page led there: by the mode of a Unix socket, or by a certificate, and then the name
   * that was asked for is in the server's.
   */
  readonly isPrivate: boolean;
}

/** Names of a loopback address: a web page can have its own name lead there (DNS rebinding), but not these. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

/**
 * @param token undefined: none is needed
 * @param origins of web pages that may ask
 * @throws Refused `UNAUTHORIZED`, `FORBIDDEN`
 */
export function checkRequest(
  request: Request,
  door: Door,
  { token, origins, open }: { token: string | undefined; origins: readonly string[]; open: boolean },
): void {
  const { headers } = request;
  const host = headers.get("host") ?? "";
  // Whoever has the token is no page that was led here.
  if (!door.isPrivate && token === undefined && !LOOPBACK.test(host))
    throw new Refused("FORBIDDEN", "the Host of a request must be a loopback address");
  const origin = headers.get("origin");
  if (origin !== null && !origins.includes(origin) && !isOwn(origin, host))
    throw new Refused(
      "FORBIDDEN",
      "this server takes no requests of web pages of that origin: --cors-origin",
    );
  // A page's question whether it may ask (WHATWG Fetch, 3.2) never has a token, and its answer is in the document.
  if (token === undefined || open || request.method === "OPTIONS") return;
  const given = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  if (given === undefined || !isSame(given, token))
    throw new Refused("UNAUTHORIZED", "give the server's token: Authorization: Bearer TOKEN", {
      "www-authenticate": 'Bearer realm="smolvm"',
    });
}

/** The documentation page asks its own server. */
const isOwn = (origin: string, host: string) =>
  LOOPBACK.test(host) && (origin === `http://${host}` || origin === `https://${host}`);

/** Takes the same time whatever is different. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
