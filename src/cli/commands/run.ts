import { runEphemeral } from "../../machine/index.ts";
import { warn } from "../output.ts";
import { notesOn, type RunInvocation, requestOf } from "./run-request.ts";

/** `machine run`. Resolves to the exit code of the command. */
export async function run(invocation: RunInvocation): Promise<number> {
  const request = await requestOf(invocation);
  for (const note of await notesOn(invocation)) warn(note);
  return runEphemeral(request);
}
