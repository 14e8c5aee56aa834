/**
 * kill -9 of the processes of machines that last, at random moments of create, start, write, stop and delete.
 *
 *     ./dev soak crash [CYCLES]
 *
 * After each kill: no process, socket or lock is left, `ls` and `status` answer, the machine is whole or away, starts,
 * and has every line that its guest had flushed before.
 */

import { Lane, tally } from "./support/lane.ts";
import { countOr, say, soak } from "./support/options.ts";

const CYCLES = countOr(200);
/** Machines at once, each in a home of its own. */
const LANES = 3;

await soak(async () => {
  let left = CYCLES;
  const lanes = Array.from({ length: Math.min(LANES, CYCLES) }, (_, at) => new Lane(at));
  const work = async (lane: Lane) => {
    try {
      while (left-- > 0) await lane.cycle();
      await lane.finish();
    } catch (error) {
      left = 0;
      throw new Error(`lane ${lane.number}: ${lane.history.join("; ")}`, { cause: error });
    }
  };
  try {
    const ends = await Promise.allSettled(lanes.map(work));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  } finally {
    for (const line of tally(lanes)) say(line);
    for (const lane of lanes) lane.remove();
  }
});
