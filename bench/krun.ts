import { runInLab } from "./support/in-lab.ts";

/** krun, in the lab: start and exec against upstream's own command line; memory of a machine. */

await runInLab(["krun-inside.ts"]);
