/** Upstream's program as the lab has it (in-lab.ts), and the environment that it needs there. */
const UPSTREAM = "/project/upstream";

export const upstreamProgram = `${UPSTREAM}/bin/smol-vmm`;

export const upstreamEnv = {
  PATH: `${process.env.PATH}`,
  HOME: "/root",
  SMOLVM_VM_UID_DROP: "off",
  SMOLVM_LIB_DIR: `${UPSTREAM}/bin`,
  SMOLVM_AGENT_ROOTFS: `${UPSTREAM}/rootfs`,
};
