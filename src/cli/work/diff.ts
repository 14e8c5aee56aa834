import { openWorkspace, patchesOf } from "../../workspace/index.ts";
import { print, printJson } from "../output.ts";
import {
  changeJson,
  changeLine,
  conflictWords,
  formatPatch,
  formatStat,
  isListed,
  type Look,
  pathOf,
} from "../show/workspace.ts";
import { type Found, findChanges, type Opened } from "./workspaces.ts";

export interface DiffOptions {
  readonly stat: boolean;
  readonly nameOnly: boolean;
  readonly nameStatus: boolean;
  readonly exitCode: boolean;
  readonly json: boolean;
}

/** Carries out `machine diff`; returns its exit code. */
export async function showChanges(
  opened: Opened,
  name: string,
  paths: readonly string[],
  options: DiffOptions,
): Promise<number> {
  const found = await findChanges(opened, name, paths);
  if (options.json) {
    await printJson(
      found.flatMap(({ workspace, changes }) =>
        changes.filter(isListed).map((change) => changeJson(workspace.target, change)),
      ),
    );
  } else for (const one of found) await show(one, options, found.length > 1);
  return options.exitCode && found.length > 0 ? 1 : 0;
}

async function show(found: Found, options: DiffOptions, isOneOfSeveral: boolean): Promise<void> {
  const { workspace } = found;
  const changes = found.changes.filter(isListed);
  if (isOneOfSeveral) await print(`# ${workspace.target} (${workspace.folder})\n`);
  if (options.nameOnly) return await print(changes.map((change) => `${pathOf(change)}\n`).join(""));
  if (options.nameStatus) return await print(changes.map((change) => `${changeLine(change)}\n`).join(""));
  if (options.stat) return await showStat(found);
  await showPatches(found);
}

async function showStat({ workspace, changes }: Found): Promise<void> {
  using opened = openWorkspace(workspace, "read");
  const files = [];
  for (const change of changes.filter(isListed)) {
    const patches = await patchesOf(opened, change);
    const [patch] = patches;
    files.push({ path: pathOf(change), patch });
  }
  await print(formatStat(files));
}

async function showPatches({ workspace, changes }: Found): Promise<void> {
  using opened = openWorkspace(workspace, "read");
  const look = lookOf();
  for (const change of changes.filter(isListed)) {
    const { conflict } = change;
    if (conflict !== undefined) await print(`# conflict: ${pathOf(change)}: ${conflictWords[conflict]}\n`);
    const patches = await patchesOf(opened, change);
    // git knows no directories, and no FIFOs.
    if (patches.length === 0) await print(`# ${changeLine(change)}\n`);
    for (const patch of patches) {
      const text = formatPatch(patch, look);
      await print(look.safe ? text : Buffer.from(text, "latin1"));
    }
  }
}

function lookOf(): Look {
  const isTerminal = process.stdout.isTTY === true;
  const { NO_COLOR, TERM } = process.env;
  return { safe: isTerminal, color: isTerminal && !NO_COLOR && TERM !== "dumb" };
}
