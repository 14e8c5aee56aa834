import { nullable, object, optional, safeParse } from "valibot";
import { type Stream, StreamFailure } from "../../protocol/index.ts";
import { healthSchema, restartSchema } from "../model/spec.ts";
import type { LastingMachine } from "./lasting.ts";

/** Parameters of `supervise`; what is absent is left to the machine's record. */
const superviseSchema = object({
  restart: optional(restartSchema),
  health: optional(nullable(healthSchema)),
});

/** Serves `supervise`: `event`s are MachineEvents, until the client cancels. */
export async function serveSupervise(stream: Stream, machine: LastingMachine): Promise<void> {
  const parsed = safeParse(superviseSchema, stream.request.params ?? {});
  if (!parsed.success)
    throw new StreamFailure({ code: "machine.bad_request", message: parsed.issues[0].message });
  const gone = Promise.withResolvers<void>();
  stream.onCancel = () => gone.resolve();
  await machine.session().catch(() => {});
  const end = machine.supervise(parsed.output, (event) => stream.event(event));
  stream.accept();
  await gone.promise;
  end();
  stream.finish();
}
