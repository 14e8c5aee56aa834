import { expect, test } from "bun:test";
import { matchesFilters } from "../../machine/index.ts";
import { defaultSpec, newRecord } from "../../machine/model/index.ts";
import { filterOptions } from "./machine-filter.ts";

const machine = (status: "running" | "stopped", labels: Record<string, string>) => ({
  status,
  record: newRecord({ ...defaultSpec("x"), labels }, 0),
});

const machines = [
  machine("running", { tier: "front", blue: "" }),
  machine("stopped", { tier: "back" }),
  { status: "unknown", record: undefined } as const,
];

test.each([
  [[], [], [0, 1, 2]],
  [["state=running"], [], [0]],
  [["status=running", "state=stopped"], [], [0, 1]],
  [["label=tier"], [], [0, 1]],
  [["label=tier=back"], [], [1]],
  [[], ["tier=front", "blue"], [0]],
  [["state=stopped"], ["tier=front"], []],
  [[], ["tier="], []],
  [[], ["constructor"], []],
])("filters %j and labels %j", (filters, labels, expected) => {
  const read = [...filterOptions.filters.read(filters), ...filterOptions.labels.read(labels)];
  const found = machines.filter((candidate) => matchesFilters(candidate, read));
  expect(found).toEqual(expected.map((index) => machines[index] as never));
});
