import { SmolError } from "../../errors.ts";
import { type Answer, saidReason } from "../http/index.ts";
import { printable } from "../printable.ts";
import type { Session } from "./session.ts";

/**
 * The error for an answer with a status that trying again does not change. Reads or closes its body.
 *
 * @param what `manifest latest of library/alpine`.
 */
export async function refusal(answer: Answer, what: string, session: Session): Promise<SmolError> {
  const { registry, host } = session.endpoint;
  const reason = await saidReason(answer, session.secrets);
  const elsewhere = answer.url.host !== host;
  if (elsewhere) {
    return new SmolError(
      answer.status === 404 ? "registry.not_found" : "registry.bad_answer",
      `${answer.url.host}, where ${registry} keeps it, does not give ${what}: status ${answer.status}${reason}`,
    );
  }
  const login = `docker login ${registry}, or user name and password in config.toml (smolvm config registries edit)`;
  const unread = session.unreadCredentials;
  // Registries that ask who we are may say "not found" to everybody who may not know that it is there.
  const isHidden = session.wantsAuthorization && !(await session.hasCredentials());
  switch (answer.status) {
    case 404:
    case 410:
      return new SmolError("registry.not_found", `${registry} does not have ${what}${reason}`, {
        hint: what.startsWith("blob ")
          ? "a part of the image is missing there: it has to be pushed again"
          : (unread ?? `check the name and the tag${isHidden ? `; if it is private, log in: ${login}` : ""}`),
      });
    case 401:
      if (await session.hasCredentials()) {
        return new SmolError(
          "registry.unauthorized",
          `${registry} does not have ${what}, or does not let you have it${reason}`,
          { hint: unread ?? `check the name, and whom you are logged in as: ${login}` },
        );
      }
      return new SmolError(
        "registry.not_found",
        `${registry} does not have ${what}, or it is private${reason}`,
        {
          hint: unread ?? `check the name; if it is private, log in: ${login}`,
        },
      );
    case 403:
      return new SmolError("registry.denied", `${registry} denies access to ${what}${reason}`, {
        hint: unread ?? `the user needs the right to ${session.purpose}: ${login}`,
      });
    default: {
      const type = printable(answer.headers.get("content-type") ?? "", 60);
      const page = type.startsWith("text/html") ? ", with a web page" : "";
      return new SmolError(
        "registry.bad_answer",
        `${host} answers with status ${answer.status}${page} when asked for ${what}${reason}`,
        page === "" ? {} : { hint: `is ${registry} a registry? A proxy may also have answered in its place` },
      );
    }
  }
}
