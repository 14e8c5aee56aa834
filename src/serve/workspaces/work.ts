/** What is done with workspaces for a request; on a thread, because it reads and writes files until it is done. */
import { SmolError } from "../../errors.ts";
import type { MachineWorkspace } from "../../machine/index.ts";
import { decodeByteString } from "../../surrogate-escape.ts";
import {
  applyChanges,
  type Change,
  changesOf,
  discardChanges,
  gitMode,
  hasWorkspace,
  hunkHeader,
  type Kept,
  openWorkspace,
  patchesOf,
  selected,
} from "../../workspace/index.ts";
import type { ToldChange, WorkspaceOrder, WorkspaceOutcome } from "./messages.ts";

/** Changes that one answer has. A guest can make millions; who wants to see the rest names paths. */
const MAX_TOLD = 10_000;

const MAX_PATCH_BYTES = 16 * 1024 * 1024;

const NOTHING: WorkspaceOutcome = { changes: [], kept: [], truncated: false, patch: undefined };

/** @throws SmolError `workspace.*` */
export async function workOn({ what, selections, atomic }: WorkspaceOrder): Promise<WorkspaceOutcome> {
  const there = selections.filter(({ workspace }) => hasWorkspace(workspace.directory));
  if (what === "patch") return { ...NOTHING, patch: await patchOf(there) };
  if (what === "apply") return apply(there, atomic);
  const changes = there.flatMap(({ workspace, paths }) => {
    using opened = openWorkspace(workspace, what === "discard" ? "change" : "read");
    const found = what === "discard" ? discardChanges(opened, paths) : selected(changesOf(opened), paths);
    return listed(workspace, found);
  });
  return cut(changes, []);
}

type Selections = WorkspaceOrder["selections"];

function apply(selections: Selections, atomic: boolean): WorkspaceOutcome {
  const conflicts = atomic ? selections.flatMap(conflictsIn) : [];
  if (conflicts.length > 0) return cut([], conflicts);
  const results = selections.map(({ workspace, paths }) => {
    using opened = openWorkspace(workspace, "change");
    const { applied, kept } = applyChanges(opened, { paths, atomic });
    return {
      applied: listed(workspace, applied),
      kept: kept.map(({ change, because }) => keptOf(workspace, change, because)),
    };
  });
  return cut(
    results.flatMap(({ applied }) => applied),
    results.flatMap(({ kept }) => kept),
  );
}

function conflictsIn({ workspace, paths }: Selections[number]): WorkspaceOutcome["kept"] {
  using opened = openWorkspace(workspace, "read");
  return selected(changesOf(opened), paths).flatMap((change) =>
    change.conflict === undefined ? [] : [{ ...told(workspace, change), reason: change.conflict }],
  );
}

const keptOf = (workspace: MachineWorkspace, change: Change, because: Kept) => ({
  ...told(workspace, change),
  reason: because.why === "conflict" ? because.conflict : because.why,
});

/** What moved away is told with where it went. */
const listed = (workspace: MachineWorkspace, changes: readonly Change[]) =>
  changes.filter(({ hasMoved }) => !hasMoved).map((change) => told(workspace, change));

const text = (names: readonly string[]) => decodeByteString(Buffer.from(names.join("/"), "latin1"));

function told({ target }: MachineWorkspace, change: Change): ToldChange {
  const { base, node, movedFrom, conflict, status, names } = change;
  const modeOf = (one: typeof base | typeof node) =>
    one === undefined || one.kind === "directory" ? undefined : gitMode(one.kind, one.mode);
  return {
    workspace: target,
    path: text(names),
    status: movedFrom === undefined ? status : "renamed",
    renamedFrom: movedFrom && text(movedFrom),
    kind: (node ?? base)?.kind,
    oldMode: modeOf(base),
    newMode: modeOf(node),
    size: node === undefined ? undefined : change.size,
    conflict,
  };
}

function cut(changes: readonly ToldChange[], kept: WorkspaceOutcome["kept"]): WorkspaceOutcome {
  return {
    changes: changes.slice(0, MAX_TOLD),
    kept: kept.slice(0, MAX_TOLD),
    truncated: changes.length > MAX_TOLD || kept.length > MAX_TOLD,
    patch: undefined,
  };
}

/** @throws SmolError `workspace.patch_limit` */
async function patchOf(selections: Selections): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let length = 0;
  for (const { workspace, paths } of selections) {
    using opened = openWorkspace(workspace, "read");
    for (const change of selected(changesOf(opened), paths))
      for (const { header, hunks } of await patchesOf(opened, change)) {
        const lines = [...header, ...hunks.flatMap((hunk) => [hunkHeader(hunk), ...hunk.lines])];
        const part = Buffer.from(lines.map((line) => `${line}\n`).join(""), "latin1");
        length += part.length;
        if (length > MAX_PATCH_BYTES)
          throw new SmolError("workspace.patch_limit", `the patch has more than ${MAX_PATCH_BYTES} bytes`, {
            hint: "ask for parts of it: ?path=…",
          });
        parts.push(part);
      }
  }
  return Buffer.concat(parts);
}
