import type { Context } from "../../context.ts";
import { endsWithin } from "../../within.ts";
import { connectMachine } from "./connect.ts";
import { inspectMachine, type MachineInfo } from "./info.ts";

/** How long a machine's process may take to answer, and its agent within that. */
const ANSWER_LIMIT_MS = 2000;

/**
 * As `inspectMachine` with the record's outline, and asks a machine that runs whether it is well: one whose process or agent does not answer is
 * unreachable.
 *
 * @throws SmolError `machine.not_found`
 */
export async function askMachine(context: Context, name: string): Promise<MachineInfo> {
  const info = inspectMachine(context, name, "outline");
  if (info.status !== "running") return info;
  let answer: { readonly agent?: unknown } | undefined;
  const asking = (async () => {
    const machine = await connectMachine(context, name);
    try {
      answer = (await machine.ask("status")) as { agent?: unknown };
    } finally {
      machine.close();
    }
  })();
  asking.catch(() => {});
  await endsWithin(asking, ANSWER_LIMIT_MS);
  if (answer?.agent === "answers") return info;
  const now = inspectMachine(context, name, "outline");
  if (now.status !== "running") return now;
  const reason = answer === undefined ? "its process does not answer" : "its guest's agent does not answer";
  return { ...now, status: "unreachable", reason };
}
