/**
 * Somebody else's judge of examples/deepagents: LangChain's own tests of the back-ends that Deep Agents has, on machines
 * with Debian's Python.
 *
 *     ./dev soak deepagents
 */
import { cacheRoot, root } from "../build/host.ts";
import { debianImage } from "../test/support/debian.ts";
import { Machines } from "../test/support/machines.ts";
import { program } from "../test/support/program.ts";
import { soak } from "./support/options.ts";

await soak(async () => {
  const machines = new Machines();
  try {
    const options = ["-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "-W", "ignore", "-rxX", "-v"];
    const tests = `${root}/soak/support/test_deepagents.py`;
    const places = [`${root}/python/src`, `${root}/examples/deepagents`, `${cacheRoot()}/deepagents`];
    const child = Bun.spawn(["/usr/bin/python3", "-B", "-m", "pytest", ...options, tests], {
      env: {
        ...machines.env,
        SMOLVM_BIN: program,
        PYTHONPATH: places.join(":"),
        TEST_PYTHON_IMAGE: await debianImage(["python-is-python3"]),
      },
      cwd: machines.path,
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
    });
    if ((await child.exited) !== 0)
      throw new Error("a test failed, or a failure that was expected did not come");
    await machines.expectNothingLeft();
  } finally {
    await machines.deleteAll();
    machines.remove();
  }
});
