import type { MachineInfo } from "./info.ts";

/** What a machine may be chosen by; a label without a value only has to be there. */
export type MachineFilter =
  | { readonly kind: "state"; readonly state: MachineInfo["status"] }
  | { readonly kind: "label"; readonly name: string; readonly value: string | undefined };

/** Whether a machine has one of the states, and all of the labels. */
export function matchesFilters(
  { status, record }: Pick<MachineInfo, "status" | "record">,
  filters: readonly MachineFilter[],
): boolean {
  const states = filters.flatMap((filter) => (filter.kind === "state" ? [filter.state] : []));
  const wanted = filters.flatMap((filter) => (filter.kind === "label" ? [filter] : []));
  const has = new Map(Object.entries(record?.labels ?? {}));
  return (
    (states.length === 0 || states.includes(status)) &&
    wanted.every(({ name, value }) => has.has(name) && (value === undefined || has.get(name) === value))
  );
}
