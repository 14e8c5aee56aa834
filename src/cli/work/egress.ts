import type { Context } from "../../context.ts";
import type { EgressEntry } from "../../machine/logs/index.ts";
import type { Machines } from "../machines.ts";
import { print, printJson, warn } from "../output.ts";
import { egressJson, egressLine, egressTitles } from "../show/egress.ts";
import { OutputClosed, writeFully } from "../terminal/index.ts";
import { interruptible } from "./interruptible.ts";

export interface EgressValues {
  readonly limit: number;
  readonly follow: boolean;
  readonly since: number | undefined;
  readonly denied: boolean;
  readonly json: boolean;
}

/** Shows a machine's log of the network. @throws SmolError, Interrupted */
export async function showEgress(
  machines: Machines,
  context: Context,
  name: string,
  values: EgressValues,
): Promise<void> {
  const { follow, since, json } = values;
  if (!follow) {
    const events = await lastEvents(machines, context, name, values);
    if (json) await printJson(events.map(egressJson));
    else await print(`${[...egressTitles(), ...events.map(egressLine)].join("\n")}\n`);
    return;
  }
  try {
    await interruptible(async (signal) => {
      if (!json) await writeFully(1, Buffer.from(`${egressTitles().join("\n")}\n`));
      const tail = values.denied ? undefined : values.limit;
      for await (const event of machines.egressLog(context, name, {
        follow,
        since,
        tail,
        signal,
        onNote: warn,
      })) {
        if (!isWanted(event, values)) continue;
        const line = json ? JSON.stringify(egressJson(event)) : egressLine(event);
        await writeFully(1, Buffer.from(`${line}\n`));
      }
    });
  } catch (error) {
    // Whoever read the output has seen enough.
    if (!(error instanceof OutputClosed)) throw error;
  }
}

const isWanted = ({ decision }: EgressEntry, { denied }: EgressValues) => !denied || decision === "deny";

async function lastEvents(
  machines: Machines,
  context: Context,
  name: string,
  values: EgressValues,
): Promise<EgressEntry[]> {
  const { limit, since, denied } = values;
  const events: EgressEntry[] = [];
  const tail = denied ? undefined : limit;
  for await (const event of machines.egressLog(context, name, { since, tail, onNote: warn })) {
    if (!isWanted(event, values)) continue;
    events.push(event);
    if (events.length > limit * 2) events.splice(0, events.length - limit);
  }
  return events.slice(Math.max(0, events.length - limit));
}
