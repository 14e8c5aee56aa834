import type { MachineEvent } from "../../machine/index.ts";
import { oneLine } from "../output.ts";

/** A line of `machine monitor`, without its newline. */
export function describeEvent(event: MachineEvent): string {
  switch (event.type) {
    case "health": {
      const said = event.output.trim() === "" ? "" : `: ${oneLine(event.output.trim())}`;
      return event.failures === 0
        ? `Health check passed (${event.status})`
        : `Health check failed (${event.failures} in a row, ${event.status})${said}`;
    }
    case "ended":
      return `Ended: ${oneLine(event.reason)}`;
    case "restarting":
      return `Restarting the ${event.what} in ${event.afterMs / 1000} s`;
    case "gave_up":
      return `Not restarted: ${oneLine(event.reason)}`;
    case "started":
      return `Started the ${event.what}`;
  }
}
