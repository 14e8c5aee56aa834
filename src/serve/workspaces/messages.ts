/** What the server and a thread that works on workspaces say to each other. */
import type { WorkspaceSelection } from "../../machine/index.ts";
import type { SentError } from "../../sent-error.ts";

export interface WorkspaceOrder {
  readonly what: "changes" | "patch" | "apply" | "discard";
  readonly selections: readonly WorkspaceSelection[];
  /** Of `apply`: nothing at all when there is a conflict. */
  readonly atomic: boolean;
}

/** One change as clients get it. Keys that do not apply are left out. */
export interface ToldChange {
  /** Where the guest has the workspace. */
  readonly workspace: string;
  /** Below it. A byte that is no UTF-8 is a lone surrogate, as Python has it (PEP 383). */
  readonly path: string;
  readonly status: "added" | "modified" | "deleted" | "type-changed" | "renamed";
  readonly renamedFrom?: string | undefined;
  readonly kind?: string | undefined;
  /** As git writes it: `100644`. */
  readonly oldMode?: string | undefined;
  readonly newMode?: string | undefined;
  readonly size?: number | undefined;
  /** What stands in the way of an apply. */
  readonly conflict?: string | undefined;
}

export interface WorkspaceOutcome {
  /** Those that there are; that were applied; that are discarded. */
  readonly changes: readonly ToldChange[];
  /** Of `apply`: those that stay with the guest, and why. */
  readonly kept: readonly (ToldChange & { readonly reason: string })[];
  /** There are more than are told. */
  readonly truncated: boolean;
  readonly patch: Uint8Array | undefined;
}

export type FromThread =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly outcome: WorkspaceOutcome }
  | { readonly kind: "failed"; readonly error: SentError };
