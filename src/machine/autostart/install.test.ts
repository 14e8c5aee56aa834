import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import type { Context } from "../../context.ts";
import { Home, run, systemdPlan } from "./autostart.fixture.ts";
import { disableAutostart, enableAutostart, isAutostarted } from "./index.ts";

const enable = (context: Context, name = "web", program = "/bin/true") =>
  enableAutostart(context, { name, program, stopTimeoutMs: 10_000 });

/** Whether systemd would start the unit at the user's login. */
const isStarted = async (home: Home, unit: string) =>
  (await systemdPlan(home)).includes(`\t\tAction: ${unit} -> start\n`);

test("an enabled machine is started by systemd, a disabled one is not", async () => {
  using home = new Home();
  const context = home.context();
  expect(isAutostarted(context, "web")).toBe(false);
  const report = await enable(context);
  expect(report).toMatchObject({
    manager: "systemd",
    service: "smolvm-web.service",
    path: `${home.units}/smolvm-web.service`,
  });
  expect(isAutostarted(context, "web")).toBe(true);
  expect(isAutostarted(context, "we")).toBe(false);
  expect(await isStarted(home, "smolvm-web.service")).toBe(true);
  const enabled = await run(["systemctl", "--user", "is-enabled", "smolvm-web.service"], home);
  expect(enabled.stdout).toBe("enabled\n");

  expect(await disableAutostart(context, "web")).toMatchObject({ path: report.path });
  expect(isAutostarted(context, "web")).toBe(false);
  expect(await isStarted(home, "smolvm-web.service")).toBe(false);
  expect(readdirSync(home.units, { recursive: true })).toEqual(["default.target.wants"]);
  expect(await disableAutostart(context, "web")).toBeUndefined();
});

test("what systemctl disables is disabled, and can be enabled again", async () => {
  using home = new Home();
  const context = home.context();
  await enable(context);
  expect((await run(["systemctl", "--user", "disable", "smolvm-web.service"], home)).exitCode).toBe(0);
  expect(isAutostarted(context, "web")).toBe(false);
  await enable(context);
  expect(isAutostarted(context, "web")).toBe(true);
});

test("enabling twice tells the new program", async () => {
  using home = new Home();
  await enable(home.context(), "web", "/opt/old/smolvm");
  const { path } = await enable(home.context(), "web", "/opt/new/smolvm");
  expect(readFileSync(path, "utf8")).toContain("ExecStart=/opt/new/smolvm machine start");
  expect(readdirSync(home.units).sort()).toEqual(["default.target.wants", "smolvm-web.service"]);
});

test("the unit has what the program needs to find the same machines, and no secrets", async () => {
  using home = new Home();
  const data = `${home.path}/my data`;
  const { path } = await enable(
    home.context({ SMOLVM_DATA_DIR: data, SMOLVM_ENGINE: "qemu", HTTPS_PROXY: "http://user:secret@proxy" }),
  );
  const text = readFileSync(path, "utf8");
  expect(text).toContain(`Environment="SMOLVM_DATA_DIR=${data}"\n`);
  expect(text).toContain("Environment=SMOLVM_ENGINE=qemu\n");
  expect(text).toContain("Environment=SMOLVM_AUTOSTART=1\n");
  expect(text).not.toContain("secret");
  expect(text).not.toContain("XDG_");
});

test("machines of the same name in two places do not meet", async () => {
  using home = new Home();
  const contexts = [
    home.context(),
    home.context({ SMOLVM_DATA_DIR: `${home.path}/a` }),
    home.context({ SMOLVM_DATA_DIR: `${home.path}/b` }),
    home.context({ XDG_DATA_HOME: `${home.path}/c` }),
  ];
  const services = [];
  for (const context of contexts) services.push((await enable(context)).service);
  expect(new Set(services).size).toBe(4);
  const [first, second, ...others] = contexts as [Context, Context, ...Context[]];
  await disableAutostart(second, "web");
  expect([first, second, ...others].map((context) => isAutostarted(context, "web"))).toEqual([
    true,
    false,
    true,
    true,
  ]);
});

test("units go to the configuration directory that the user has", async () => {
  using home = new Home();
  const { path } = await enable(home.context({ XDG_CONFIG_HOME: `${home.path}/config` }));
  expect(path).toBe(`${home.path}/config/systemd/user/smolvm-web.service`);
  const link = `${home.path}/config/systemd/user/default.target.wants/smolvm-web.service`;
  expect(readlinkSync(link)).toBe("../smolvm-web.service");
});

test("with launchd an agent is written and removed", async () => {
  using home = new Home();
  const context = home.context();
  const options = { name: "web", program: "/opt/smolvm", stopTimeoutMs: 0 };
  const report = await enableAutostart(context, options, "launchd");
  const path = `${home.path}/Library/LaunchAgents/smolvm.web.plist`;
  expect(report).toMatchObject({ manager: "launchd", service: "smolvm.web", path });
  expect(readFileSync(path, "utf8")).toContain("<string>smolvm.web</string>");
  expect(isAutostarted(context, "web", "launchd")).toBe(true);
  expect(await disableAutostart(context, "web", "launchd")).toMatchObject({ path });
  expect(existsSync(path)).toBe(false);
  expect(isAutostarted(context, "web", "launchd")).toBe(false);
});

test("a unit that somebody else has written is neither replaced nor removed", async () => {
  using home = new Home();
  mkdirSync(home.units, { recursive: true });
  const path = `${home.units}/smolvm-web.service`;
  writeFileSync(path, "[Service]\nExecStart=/bin/true\n");
  await expect(enable(home.context())).rejects.toMatchObject({ code: "autostart.foreign_file" });
  expect(await disableAutostart(home.context(), "web")).toBeUndefined();
  expect(isAutostarted(home.context(), "web")).toBe(false);
  expect(readFileSync(path, "utf8")).toStartWith("[Service]");
});

test("the report says what is missing: a systemd, a manager that listens, a user who lingers", async () => {
  using home = new Home();
  const none = await enable(home.context({ PATH: "/nowhere" }));
  expect(none.advice).toEqual(["this host has no systemd: nothing will start the machine"]);
  mkdirSync(`${home.path}/bin`);
  const script = (text: string) =>
    writeFileSync(`${home.path}/bin/systemctl`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const PATH = `${home.path}/bin`;
  script(`echo "$@" >'${home.path}/told'`);
  const told = await enable(home.context({ PATH }));
  expect(readFileSync(`${home.path}/told`, "utf8")).toBe("--user daemon-reload\n");
  expect(told.advice.join()).not.toContain("was not told");
  script("echo 'Failed to connect to bus' >&2; exit 1");
  const deaf = await enable(home.context({ PATH }));
  expect(deaf.advice[0]).toBe(
    "systemd's manager for your user was not told (Failed to connect to bus): it looks at its next start",
  );
  expect(deaf.advice.at(-1)).toContain("loginctl enable-linger");
});

test("a home that cannot be written, or is not known, is said", async () => {
  using home = new Home();
  writeFileSync(`${home.path}/.config`, "");
  await expect(enable(home.context())).rejects.toMatchObject({ code: "autostart.unwritable" });
  const { paths } = home.context();
  const context = { paths, environment: {}, note: () => {} };
  await expect(enable(context)).rejects.toMatchObject({ code: "config.no_home" });
  expect(await disableAutostart(context, "web")).toBeUndefined();
  expect(existsSync(`${home.path}/.config/systemd`)).toBe(false);
});
