import type { Owner, Transport } from "./transport/types.ts";
import type { DisposePolicy, ExecHooks, MachineInfo } from "./types/index.ts";

/** What a handle is made of. @internal */
export interface Handle {
  readonly transport: Transport;
  readonly info: MachineInfo;
  readonly owned: boolean;
  readonly owner: Owner;
  readonly onDispose: DisposePolicy;
  readonly hooks: ExecHooks;
  readonly startTimeoutMs: number;
}
