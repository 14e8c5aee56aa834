/**
 * A process to be killed: makes random operations in a workspace, and says after each that it is done.
 * Arguments: folder, directory of the workspace, seed; or `apply` in the seed's place.
 */

import { writeSync } from "node:fs";
import { applyChanges, openWorkspace } from "./index.ts";
import { applyToGuest, operationWithoutLinks, Random } from "./layer/model.fixture.ts";
import { Guest } from "./workspace.fixture.ts";

const [folder, directory, what] = process.argv.slice(2) as [string, string, string];
if (what === "apply") {
  writeSync(1, "x");
  using workspace = openWorkspace({ folder, directory }, "change");
  applyChanges(workspace);
} else {
  const random = new Random(Number(what));
  const guest = Guest.of({ folder, directory });
  writeSync(1, "x");
  for (;;) {
    applyToGuest(guest, operationWithoutLinks(random));
    writeSync(1, ".");
  }
}
