import type { MachineFilter, MachineInfo } from "../../machine/index.ts";
import { list } from "../program/types.ts";
import { badValue } from "../usage.ts";
import { parseLabel } from "../values/label.ts";
import { quote } from "../values/size.ts";

/** Written out, because every command loads this file: the list of the machine layer would be one more to load. */
const STATES = [
  "created",
  "starting",
  "running",
  "stopping",
  "stopped",
  "failed",
  "unreachable",
  "unknown",
] as const satisfies readonly MachineInfo["status"][];

/** Which machines to list. */
export const filterOptions = {
  filters: list({
    long: "filter",
    placeholder: "KEY=VALUE",
    description: "Only these: state=STATE, label=NAME or label=NAME=VALUE",
    hint: { kind: "choice", values: [...STATES.map((state) => `state=${state}`), "label="] },
    parse: parseFilter,
  }),
  labels: list({
    long: "label",
    short: "l",
    placeholder: "NAME[=VALUE]",
    description: "Only those with this label, as --filter label=",
    parse: parseLabelFilter,
  }),
};

function parseFilter(text: string): MachineFilter {
  const [key = "", ...rest] = text.split("=");
  const value = rest.join("=");
  if (key === "label" && value !== "") return parseLabelFilter(value);
  if (key === "state" || key === "status") {
    const state = STATES.find((known) => known === value);
    if (state !== undefined) return { kind: "state", state };
    throw badValue(`there is no state ${quote(value)}`, `the states are ${STATES.join(", ")}`);
  }
  throw badValue(`not a filter: ${quote(text)}`, "write state=running, label=NAME or label=NAME=VALUE");
}

function parseLabelFilter(text: string): MachineFilter {
  const { name, value } = parseLabel(text);
  return { kind: "label", name, value: text.includes("=") ? value : undefined };
}
