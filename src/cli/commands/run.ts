import { runEphemeral } from "../../machine/index.ts";
import { warn } from "../output.ts";
import { reportPull } from "./pull-report.ts";
import { notesOn, type RunInvocation, requestOf } from "./run-request.ts";

/** `machine run`. Resolves to the exit code of the command. */
export async function run(invocation: RunInvocation): Promise<number> {
  const { values } = invocation;
  const request = await requestOf(invocation);
  for (const note of await notesOn(invocation)) warn(note);
  const report = reportPull({ ...values, upToDate: false });
  try {
    const { onPull } = report;
    return await runEphemeral({ ...request, onNote: warn, ...(onPull === undefined ? {} : { onPull }) });
  } finally {
    await report.end();
  }
}
