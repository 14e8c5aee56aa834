import { SmolError } from "../../errors.ts";
import { type Answer, type Connections, exchange, type Request } from "./exchange.ts";

const MAX_REDIRECTS = 10;
const MAX_LOCATION = 16 * 1024;
const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * A request without a body, and the answer at the end of its redirects: registries send those who want a blob to a
 * another company's storage. `Authorization` goes to the first origin only (CVE-2020-15157), and is not taken up again
 * when a redirect leads back.
 *
 * @throws Transient, SmolError
 */
export async function follow(request: Request, connections: Connections): Promise<Answer> {
  let { url, headers } = request;
  const seen = new Set<string>();
  for (let count = 0; count <= MAX_REDIRECTS; count += 1) {
    const answer = await exchange({ ...request, url, headers }, connections);
    if (!redirects.has(answer.status)) return answer;
    await answer.body.discard();
    seen.add(url.href);
    const next = target(answer);
    if (seen.has(next.href)) throw refused(request.url, "redirects in a circle");
    if (next.origin !== url.origin) headers = withoutAuthorization(headers);
    url = next;
  }
  throw refused(request.url, `redirects more than ${MAX_REDIRECTS} times`);
}

function target({ url, headers }: Answer): URL {
  const location = headers.get("location") ?? "";
  if (location === "" || location.length > MAX_LOCATION || !URL.canParse(location, url.href)) {
    throw refused(url, "redirects to nowhere");
  }
  const next = new URL(location, url);
  next.hash = "";
  if (next.protocol !== "https:" && next.protocol !== "http:") {
    throw refused(url, "redirects to something other than http and https");
  }
  if (next.protocol === "http:" && url.protocol === "https:") {
    throw refused(url, `redirects from https to plain http at ${next.host}`);
  }
  if (next.username !== "" || next.password !== "") {
    throw refused(url, `redirects to ${next.host} with a user name in the address`);
  }
  return next;
}

function withoutAuthorization(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== "authorization"),
  );
}

const refused = (url: URL, what: string) => new SmolError("registry.bad_answer", `${url.host} ${what}`);
