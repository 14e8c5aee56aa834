import type { RootRequest } from "../../../guest/index.ts";
import type { StartOrder } from "../../plan/index.ts";
import type { ContainerRootInput } from "../../root/index.ts";
import type { ProcessTable } from "../processes/index.ts";
import type { Session } from "../session.ts";

/** How roots for containers are planned; tests without a VM have plans of their own. */
export interface ContainerPlans {
  planContainer(input: ContainerRootInput): RootRequest;
  /** @param storage device of the storage disk */
  planDepot(storage: string): RootRequest;
  /** A program of the guest's system that only reaps, and its arguments. */
  readonly reaper: readonly string[];
}

/** What containers need of their machine. */
export interface ContainerHost {
  readonly order: StartOrder;
  readonly plans: ContainerPlans;
  /** Their first processes are among the machine's, by the names that are their ids. */
  readonly table: ProcessTable;
  /** Resolves when clients' work can be done. */
  session(): Promise<Session>;
}
