import type { RootRequest } from "../../guest/index.ts";
import { composeRoot } from "./compose.ts";
import { hostnameOf } from "./etc.ts";
import { mountLayers } from "./layers.ts";
import { attachMounts, holdMounts } from "./mounts.ts";
import { MAIN_ROOT, mainPlaces } from "./places.ts";
import { setKernel } from "./settings.ts";
import { attachStorage, mountStorage } from "./storage.ts";
import type { RootInput } from "./types.ts";

/** What the guest's agent does to make the machine's root. */
export function planRoot(input: RootInput): RootRequest {
  const { disks, ephemeral, gpu, initSystem, memoryMib, nameserver, pids, terminal, volumes } = input;
  return composeRoot({
    ...{ gpu, initSystem, memoryMib, nameserver, pids, terminal, volumes },
    name: MAIN_ROOT,
    hostname: hostnameOf(input.name),
    outside: [
      ...setKernel(memoryMib),
      ...mountLayers(disks, mainPlaces, ephemeral, input.bare),
      ...mountStorage(disks.storage, mainPlaces, ephemeral),
      ...holdMounts(input),
    ],
    inside: [...attachStorage(input.bare, hasWorkspace(input)), ...attachMounts(input)],
  });
}

/** Whether the user has put something of the host at /workspace. */
const hasWorkspace = ({ shares }: RootInput): boolean => shares.some(({ target }) => target === "/workspace");
