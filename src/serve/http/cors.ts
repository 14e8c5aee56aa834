/** What web pages of other origins are told (CORS, WHATWG Fetch, 3.2). Which origins may ask the guard checks before. */

/** Of a page that asks whether it may ask, in seconds. */
const PREFLIGHT_SECONDS = 600;

/**
 * The answer to a page that asks whether it may ask.
 *
 * @param headers that it may send
 */
export function preflight(methods: readonly string[], headers: readonly string[]): Response {
  return new Response(null, {
    status: 204,
    headers: {
      allow: methods.join(", "),
      "access-control-allow-methods": methods.join(", "),
      "access-control-allow-headers": headers.join(", "),
      "access-control-max-age": String(PREFLIGHT_SECONDS),
    },
  });
}

/**
 * Lets a page of one of these origins read an answer.
 *
 * @param exposed headers of the answer that the page may see
 */
export function letPagesRead(
  answer: Headers,
  request: Request,
  { origins, exposed }: { readonly origins: readonly string[]; readonly exposed: readonly string[] },
): void {
  answer.append("vary", "origin");
  const origin = request.headers.get("origin");
  if (origin === null || !origins.includes(origin)) return;
  answer.set("access-control-allow-origin", origin);
  if (exposed.length > 0) answer.set("access-control-expose-headers", exposed.join(", "));
}
