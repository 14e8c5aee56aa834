/** A machine's network: the stack of src/net, given what the machine's order says. */
export { MachineNetwork } from "./machine-network.ts";
