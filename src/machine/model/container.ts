/** What is known about a container, read; container-schema.ts says what it is. */
import type { ContainerRecord } from "./container-schema.ts";

export type { ContainerImage, ContainerRecord } from "./container-schema.ts";

/** @param id which the record has to agree with @returns undefined when it is damaged, or of a later version */
export function parseContainer(json: string, id: string): ContainerRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  const { parseWholeContainer } = require("./container-schema.ts") as typeof import("./container-schema.ts");
  const record = parseWholeContainer(value);
  return record?.id === id ? record : undefined;
}

/** Of a container that ran until its machine ended, which nobody wrote down. */
export function endedWithMachine(record: ContainerRecord, at: number): ContainerRecord {
  const end = { exitCode: null, signal: null, outOfMemory: false, at };
  return record.state === "running" ? { ...record, state: "exited", end } : record;
}

/** An id that nobody has: like docker's short ones, never digits only, which would pass for a number. */
export function makeContainerId(): string {
  for (;;) {
    const id = crypto.getRandomValues(Buffer.alloc(6)).toString("hex");
    if (/[a-f]/.test(id)) return id;
  }
}
