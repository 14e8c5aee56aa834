import { rmSync } from "node:fs";
import type { Paths } from "../../config/paths.ts";
import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import { encodeByteString } from "../../surrogate-escape.ts";
import { quote } from "../../values/index.ts";
import type { Change, Names, WorkspacePaths } from "../../workspace/index.ts";
import type { Volume } from "../model/index.ts";
import { machineDirectory, workspaceIn } from "../store/index.ts";
import { inspectMachine } from "./info.ts";

/** A workspace of a machine: what its guest has changed of a folder of the host. */
export interface MachineWorkspace extends WorkspacePaths {
  /** Where the guest has it. */
  readonly target: string;
}

/** A part of a workspace. */
export interface WorkspaceSelection {
  readonly workspace: MachineWorkspace;
  /** Undefined: all of it. */
  readonly paths: readonly Names[] | undefined;
}

/**
 * The workspaces of a machine, whether it has been started or not.
 *
 * @throws SmolError `machine.not_found`, and why a record cannot be read
 */
export function machineWorkspaces(context: Context, name: string): MachineWorkspace[] {
  const { record } = inspectMachine(context, name);
  return record === undefined ? [] : workspacesOf(context.paths, name, record.volumes);
}

export function workspacesOf(paths: Paths, name: string, volumes: readonly Volume[]): MachineWorkspace[] {
  return volumes
    .filter(({ kind }) => kind === "overlay")
    .map((volume) => ({
      target: volume.target,
      folder: volume.source,
      directory: workspaceIn(machineDirectory(paths, name), volume),
    }));
}

/**
 * What words mean: paths in the guest when they are absolute, else paths in the machine's only workspace.
 *
 * @throws SmolError `workspace.none`, `workspace.bad_path`
 */
export function selectWorkspaces(
  name: string,
  all: readonly MachineWorkspace[],
  words: readonly string[],
): WorkspaceSelection[] {
  if (all.length === 0) {
    throw new SmolError("workspace.none", `machine '${name}' has no workspace`, {
      hint: "a folder that a guest may change without changing it is given as -v ./src:/src:overlay",
    });
  }
  if (words.length === 0) return all.map((workspace) => ({ workspace, paths: undefined }));
  const selected = new Map<MachineWorkspace, Names[]>();
  for (const word of words) {
    const { workspace, path } = placeOf(all, word);
    selected.set(workspace, [...(selected.get(workspace) ?? []), namesOf(word, path)]);
  }
  return [...selected].map(([workspace, paths]) => ({
    workspace,
    paths: paths.some((names) => names.length === 0) ? undefined : paths,
  }));
}

function placeOf(
  all: readonly MachineWorkspace[],
  word: string,
): { readonly workspace: MachineWorkspace; readonly path: string } {
  if (!word.startsWith("/")) {
    const [workspace, ...others] = all;
    if (workspace === undefined || others.length > 0)
      throw badPath(
        word,
        `there are several workspaces: begin it with ${all.map((one) => one.target).join(" or ")}`,
      );
    return { workspace, path: word };
  }
  const within = all.filter(({ target }) => word === target || word.startsWith(`${target}/`));
  const [workspace] = within.sort((a, b) => b.target.length - a.target.length);
  if (workspace === undefined)
    throw badPath(word, `the workspaces are at ${all.map((one) => one.target).join(", ")}`);
  return { workspace, path: word.slice(workspace.target.length + 1) };
}

function namesOf(word: string, path: string): Names {
  const bytes = Buffer.from(encodeByteString(path)).toString("latin1");
  const names = bytes.split("/").filter((part) => part !== "" && part !== ".");
  if (names.includes("..")) throw badPath(word, "write it without `..`");
  return names;
}

const badPath = (word: string, why: string): SmolError =>
  new SmolError("workspace.bad_path", `${quote(word)} is no path in a workspace`, { hint: why });

/** How many changes a machine has that are not on the host, by workspace; those without any are left out. */
export async function unappliedChanges(
  context: Context,
  name: string,
): Promise<readonly { readonly workspace: MachineWorkspace; readonly changes: readonly Change[] }[]> {
  return await unappliedIn(machineWorkspaces(context, name));
}

async function unappliedIn(all: readonly MachineWorkspace[]) {
  if (all.length === 0) return [];
  const { changesOf, hasWorkspace, openWorkspace } = await import("../../workspace/index.ts");
  return all.flatMap((workspace) => {
    if (!hasWorkspace(workspace.directory)) return [];
    using opened = openWorkspace(workspace, "read");
    const changes = changesOf(opened);
    return changes.length === 0 ? [] : [{ workspace, changes }];
  });
}

/** @throws SmolError `workspace.has_changes` when something in these is not on the host yet */
export async function refuseUnapplied(name: string, all: readonly MachineWorkspace[]): Promise<void> {
  const [first] = await unappliedIn(all);
  if (first === undefined) return;
  const { target } = first.workspace;
  throw new SmolError(
    "workspace.has_changes",
    `the workspace at ${target} has ${first.changes.length} changes that would be lost`,
    { hint: `smolvm machine apply ${name} ${target}, or smolvm machine discard ${name} ${target}` },
  );
}

/** Of a volume that a machine has no more. */
export function removeWorkspace({ directory }: WorkspacePaths): void {
  rmSync(directory, { recursive: true, force: true });
}
