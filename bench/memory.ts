import { Home } from "../test/support/home.ts";
import { engine } from "../test/support/program.ts";
import { reportMemory } from "./support/machine-memory.ts";

/** What an 8 GiB machine costs its host on qemu; bench/krun.ts has krun's. */

const home = new Home();
try {
  await reportMemory(home, `Host memory of an 8 GiB machine on ${engine}`);
} finally {
  home.remove();
}
