import { Home } from "../../test/support/home.ts";
import { program } from "../../test/support/program.ts";
import { compareCopies } from "./copying.ts";
import { upstreamEnv, upstreamProgram } from "./upstream-inside.ts";

/** The part of bench/copy.ts that runs inside the lab: copies on krun, smolvm's and upstream's. */

const home = new Home();
await compareCopies(
  "krun in the lab: copies",
  [
    { name: "smolvm", command: [program], env: home.env, directories: true },
    {
      name: "upstream smol-vmm",
      command: [upstreamProgram],
      env: upstreamEnv,
      directories: false,
    },
  ],
  { megabytes: 32, files: 1000, rounds: Number(process.argv[2] ?? 2) },
);
home.remove();
