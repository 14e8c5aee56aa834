import { SmolError } from "../../errors.ts";
import { type Answer, saidReason } from "../http/index.ts";
import type { Session } from "../session/index.ts";

/**
 * The error for an answer that refuses what is pushed. Reads or closes its body.
 *
 * @param what `layer sha256:0123456789ab`
 */
export async function pushRefusal(answer: Answer, what: string, session: Session): Promise<SmolError> {
  const { registry, host } = session.endpoint;
  const where = `${registry}/${session.repository}`;
  const reason = await saidReason(answer, session.secrets);
  const elsewhere = answer.url.host === host ? "" : ` (it comes from ${answer.url.host})`;
  const login = `docker login ${registry}, or user name and password in config.toml (smolvm config registries edit)`;
  const hint = session.unreadCredentials ?? `the user needs the right to push: ${login}`;
  switch (answer.status) {
    case 401:
      return new SmolError(
        "registry.unauthorized",
        `${registry} does not let you push to ${where}${reason}`,
        {
          hint: (await session.hasCredentials()) ? hint : (session.unreadCredentials ?? `log in: ${login}`),
        },
      );
    case 403:
      return new SmolError("registry.denied", `${registry} denies pushing to ${where}${reason}${elsewhere}`, {
        hint,
      });
    case 404:
    case 405:
      return new SmolError("registry.denied", `${registry} takes no uploads to ${where}${reason}`, {
        hint: "check the name; many registries want the repository to be made first, and mirrors are read-only",
      });
    case 413:
      return new SmolError("registry.too_large", `${registry} takes no ${what} of this size${reason}`);
    default:
      return new SmolError(
        "registry.bad_answer",
        `${answer.url.host} answers with status ${answer.status} when sent ${what} of ${where}${reason}`,
      );
  }
}
