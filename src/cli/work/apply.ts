import { type Applied, applyChanges, type Change, type Kept, openWorkspace } from "../../workspace/index.ts";
import { complain, print, printJson, warn } from "../output.ts";
import { applyNotes } from "../show/apply-notes.ts";
import { changeJson, count, isListed, keptWords, pathOf } from "../show/workspace.ts";
import { Questions } from "../terminal/questions.ts";
import { type Found, findChanges, type Opened, printList, total } from "./workspaces.ts";

export interface ApplyCommand {
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly atomic: boolean;
  readonly json: boolean;
}

interface Result extends Applied {
  readonly target: string;
}

/** Carries out `machine apply`; returns its exit code. */
export async function applyWorkspaces(
  opened: Opened,
  name: string,
  words: readonly string[],
  { yes, dryRun, atomic, json }: ApplyCommand,
): Promise<number> {
  const found = await findChanges(opened, name, words);
  if (!json && (!yes || dryRun)) await printList(found, true);
  // Who is asked nothing is told what has happened.
  if (!yes || dryRun) warnOf(found.flatMap(({ changes }) => changes));
  if (dryRun || found.length === 0) return await foretell(found, json);
  const folders = found.map(({ workspace }) => workspace.folder).join(" and ");
  const question = `Apply ${count(total(found), "change")} to ${folders}?`;
  if (
    !yes &&
    !(await new Questions().confirm(question, `smolvm machine apply --name ${name} -y applies them`))
  ) {
    if (!json) await print("Cancelled\n");
    return 0;
  }
  const isRefused =
    atomic && found.some(({ changes }) => changes.some(({ conflict }) => conflict !== undefined));
  const results = found.map((one) => (isRefused ? refused(one) : applyOne(one, yes, atomic)));
  if (yes) warnOf(results.flatMap(({ applied }) => applied));
  await report(results, json);
  return results.some(({ kept }) => kept.length > 0) ? 1 : 0;
}

function warnOf(changes: readonly Change[]): void {
  for (const line of applyNotes(changes)) warn(line);
}

const refused = ({ workspace, changes }: Found): Result => ({
  target: workspace.target,
  applied: [],
  kept: changes.flatMap((change) =>
    change.conflict === undefined
      ? []
      : [{ change, because: { why: "conflict", conflict: change.conflict } }],
  ),
  isRefused: true,
});

/** Whoever was asked has seen just these changes. */
function applyOne({ workspace, paths, changes }: Found, yes: boolean, atomic: boolean): Result {
  using opened = openWorkspace(workspace, "change");
  const seen = yes ? undefined : changes;
  return { ...applyChanges(opened, { paths, atomic, seen }), target: workspace.target };
}

async function foretell(found: readonly Found[], json: boolean): Promise<number> {
  const conflicts = found.flatMap(({ workspace, changes }) =>
    changes.flatMap((change) => {
      const { conflict } = change;
      const because: Kept | undefined = conflict && { why: "conflict", conflict };
      return because === undefined ? [] : [{ target: workspace.target, change, because }];
    }),
  );
  if (json) {
    const applied = found.flatMap(({ workspace, changes }) =>
      changes
        .filter((change) => change.conflict === undefined && isListed(change))
        .map((change) => changeJson(workspace.target, change)),
    );
    await printJson({ applied, kept: conflicts.map(keptJson) });
  } else if (found.length === 0) await print("Nothing has changed\n");
  return conflicts.length > 0 ? 1 : 0;
}

async function report(results: readonly Result[], json: boolean): Promise<void> {
  const applied = results.flatMap(({ target, applied: changes }) =>
    changes.filter(isListed).map((change) => ({ target, change })),
  );
  const kept = results.flatMap(({ target, kept: changes }) => changes.map((one) => ({ target, ...one })));
  if (json) {
    await printJson({
      applied: applied.map(({ target, change }) => changeJson(target, change)),
      kept: kept.map(keptJson),
    });
    return;
  }
  for (const { change, because } of kept) complain(`not applied: ${pathOf(change)}: ${keptWords(because)}`);
  const rest = kept.length === 0 ? "" : `; ${count(kept.length, "change")} not`;
  await print(`Applied ${count(applied.length, "change")}${rest}\n`);
}

const keptJson = (one: { target: string; change: Change; because: Kept }) => ({
  ...changeJson(one.target, one.change),
  reason: one.because.why === "conflict" ? one.because.conflict : one.because.why,
});
