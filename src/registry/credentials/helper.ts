import type { Environment } from "../../config/index.ts";
import { errnoOf, SmolError } from "../../errors.ts";
import { oneLine } from "../../values/index.ts";
import { ofPair } from "./entry.ts";
import { runHelper } from "./run-helper.ts";
import type { Credentials } from "./types.ts";

/** A credential helper that a file names. */
export interface Helper {
  /** `pass` for the program `docker-credential-pass`. */
  readonly name: string;
  /** The file that names it: for messages. */
  readonly file: string;
}

const NAME = /^[A-Za-z0-9._-]{1,100}$/;
const MAX_MESSAGE = 300;

/**
 * What helpers print, in place of an answer, when they have nothing (docker-credential-helpers,
 * credentials/error.go).
 */
const NOT_FOUND = "credentials not found in native keychain";

/**
 * Asks a credential helper by docker's protocol: the program `docker-credential-NAME` with the argument `get`, the
 * server on its stdin, and `{"Username", "Secret"}` on its stdout. It is looked for in PATH and run without a shell.
 *
 * @returns undefined when it has no credentials for the server
 * @throws SmolError `credentials.bad_helper`, `credentials.no_helper`, `credentials.helper_failed`
 */
export async function askHelper(
  helper: Helper,
  server: string,
  env: Environment,
): Promise<Credentials | undefined> {
  const program = findProgram(helper, env);
  const outcome = await runHelper(program, server, env).catch((error: unknown) => {
    throw failed(helper, server, `it cannot be started: ${errnoOf(error) ?? "unknown error"}`);
  });
  if (outcome.kind === "failed") throw failed(helper, server, outcome.reason);
  if (outcome.exitCode === 0) return readAnswer(helper, server, outcome.stdout);
  if (outcome.stdout.trim() === NOT_FOUND || outcome.stderr.trim() === NOT_FOUND) return undefined;
  throw failed(
    helper,
    server,
    complaintOf(outcome.stdout, outcome.stderr) ?? `exit code ${outcome.exitCode}`,
  );
}

function findProgram({ name, file }: Helper, env: Environment): string {
  if (!NAME.test(name)) {
    throw new SmolError(
      "credentials.bad_helper",
      `${file} names a credential helper that is no program's name`,
      {
        hint: "the name is what follows docker-credential-, without a path",
      },
    );
  }
  // A relative entry would run whatever program lies in the working directory.
  const path = (env.PATH ?? "").split(":").filter((entry) => entry.startsWith("/"));
  const program = `docker-credential-${name}`;
  const found = path.length === 0 ? null : Bun.which(program, { PATH: path.join(":") });
  if (found !== null) return found;
  throw new SmolError(
    "credentials.no_helper",
    `the credential helper ${program}, which ${file} names, is not in PATH`,
    { hint: `install it, or remove it from ${file}` },
  );
}

function readAnswer(helper: Helper, server: string, stdout: string): Credentials | undefined {
  const answer = parseJson(stdout);
  if (typeof answer !== "object" || answer === null) throw failed(helper, server, "its answer is not JSON");
  const { Username: username = "", Secret: secret = "" } = answer as Record<string, unknown>;
  if (typeof username !== "string" || typeof secret !== "string") {
    throw failed(helper, server, "its answer has no Username and Secret");
  }
  return ofPair(username, secret);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the parser's message would quote the text
  }
}

/**
 * What a helper says went wrong. By the protocol this is on stdout, where otherwise the secret is: only a line that
 * cannot be a part of an answer is shown.
 */
function complaintOf(stdout: string, stderr: string): string | undefined {
  const line = stdout.trim();
  const safe = /["{}]/.test(line) ? "" : line;
  const text = oneLine(stderr) || oneLine(safe);
  return text === "" ? undefined : text.slice(0, MAX_MESSAGE);
}

function failed({ name, file }: Helper, server: string, reason: string): SmolError {
  return new SmolError(
    "credentials.helper_failed",
    `docker-credential-${name}, which ${file} names, has no answer for ${server}: ${reason}`,
  );
}
