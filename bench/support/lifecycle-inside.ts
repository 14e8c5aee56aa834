import { Home } from "../../test/support/home.ts";
import { program } from "../../test/support/program.ts";
import { compareLives, toolOf } from "./lifecycle.ts";

/** The part of bench/machines.ts that runs inside the lab: lives of machines, smolvm's and upstream's. */

const UPSTREAM = "/project/upstream";
const upstreamEnv = {
  PATH: `${process.env.PATH}`,
  HOME: "/root",
  SMOLVM_VM_UID_DROP: "off",
  SMOLVM_LIB_DIR: `${UPSTREAM}/bin`,
  SMOLVM_AGENT_ROOTFS: `${UPSTREAM}/rootfs`,
};

const home = new Home();
await compareLives(
  "krun in the lab: the life of a machine",
  [
    toolOf("upstream smol-vmm", [`${UPSTREAM}/bin/smol-vmm`], upstreamEnv),
    toolOf("smolvm", [program], home.env),
  ],
  Number(process.argv[2] ?? 3),
);
home.remove();
