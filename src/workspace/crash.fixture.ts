/**
 * A process of its own, which may be killed: makes random operations in a workspace, and says after each that it is
 * done. Arguments: folder, directory of the workspace, seed; or `apply` or `discard` in the seed's place.
 */

import { writeSync } from "node:fs";
import { applyChanges, discardChanges, openWorkspace } from "./index.ts";
import { applyToGuest, operationWithoutLinks, Random } from "./layer/model.fixture.ts";
import { Guest } from "./workspace.fixture.ts";

const [folder, directory, what] = process.argv.slice(2) as [string, string, string];
if (what === "apply" || what === "discard") {
  writeSync(1, "x");
  using workspace = openWorkspace({ folder, directory }, "change");
  if (what === "apply") applyChanges(workspace);
  else discardChanges(workspace);
} else {
  const random = new Random(Number(what));
  const guest = Guest.of({ folder, directory });
  writeSync(1, "x");
  for (;;) {
    applyToGuest(guest, operationWithoutLinks(random));
    writeSync(1, ".");
  }
}
