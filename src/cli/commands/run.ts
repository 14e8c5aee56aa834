import { SmolError } from "../../errors.ts";
import { runEphemeral } from "../../machine/index.ts";
import { complain, warn } from "../output.ts";
import { reportPull } from "./pull-report.ts";
import { notesOn, type RunInvocation, requestOf } from "./run-request.ts";

/** `machine run`. Resolves to the exit code of the command. */
export async function run(invocation: RunInvocation): Promise<number> {
  const { values } = invocation;
  const request = await requestOf(invocation);
  for (const note of await notesOn(invocation)) warn(note);
  const report = reportPull({ ...values, upToDate: false });
  const onStart = async (name: string) => {
    await report.end();
    if (isAnnounced(invocation)) complain(`Starting ephemeral machine (${name})...`);
  };
  try {
    const { onPull } = report;
    return await runEphemeral({
      ...request,
      onNote: warn,
      onStart,
      onPull,
    });
  } catch (error) {
    throw perhapsAnImage(invocation, error);
  } finally {
    await report.end();
  }
}

/** Whoever wants silence, or JSON on stderr, gets no text there. */
function isAnnounced({ values: { quiet, progress, timings } }: RunInvocation): boolean {
  return !quiet && progress !== "none" && progress !== "json" && timings !== "json";
}

/** docker puts the image where our command is: `machine run alpine` finds no program of that name. */
function perhapsAnImage({ values, words: [program = ""] }: RunInvocation, error: unknown): unknown {
  const isUnknown = error instanceof SmolError && error.code === "exec.not_found";
  if (!isUnknown || values.image !== undefined || !/^[a-z0-9][a-z0-9._-]*$/.test(program)) return error;
  const { code, message, exitCode } = error;
  return new SmolError(code, message, {
    hint: `if ${program} is meant as an image: smolvm machine run --image ${program} -- COMMAND`,
    cause: error,
    exitCode,
  });
}
