import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { debianImage } from "../support/debian.ts";
import { Talking } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";
import { exampleFile, freePort, pure, succeed, unpacked, untilAnswers } from "./examples.fixture.ts";

/**
 * The files of examples/kubernetes. Kubernetes' published schemas judge them; podman builds the image; bubblewrap runs
 * the Pod's containers as the file says: user, read-only root, mounts, no capability, no new privileges.
 */
setDefaultTimeout(300_000 * slowness);

const directory = mkdtempSync("/tmp/sv-k8s-");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SCHEMAS = pure(
  "kubernetes-validate",
  "1.37.0",
  "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9",
);
const PODS = ["pod-kvm.yaml", "pod-emulated.yaml"] as const;
const TOKEN = "0123456789abcdef0123456789abcdef";

interface Container {
  readonly command?: string[];
  readonly args?: string[];
  readonly image: string;
  readonly env?: { name: string; value: string }[];
  readonly securityContext: object;
  readonly volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  readonly lifecycle: { preStop: { exec: { command: string[] } } };
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Pod {
  readonly kind: string;
  readonly spec: {
    readonly securityContext: { runAsUser: number; runAsGroup: number; runAsNonRoot: boolean };
    readonly initContainers: Container[];
    readonly containers: Container[];
  };
}

function documents(name: string): Pod[] {
  const parsed: unknown = Bun.YAML.parse(readFileSync(exampleFile(`kubernetes/${name}`), "utf8"));
  return (Array.isArray(parsed) ? parsed : [parsed]) as Pod[];
}

test("the files are what Kubernetes' schemas allow, and nothing more", async () => {
  const schemas = `${await unpacked(SCHEMAS)}/kubernetes_validate/kubernetes-json-schema/v1.36.0-local-strict`;
  const read = (name: string) => JSON.parse(readFileSync(`${schemas}/${name}`, "utf8"));
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(read("_definitions.json"), "https://kubernetes.io/api/_definitions.json");
  const judges = new Map([
    ["Pod", ajv.compile(read("pod-v1.json"))],
    ["Service", ajv.compile(read("service-v1.json"))],
  ]);
  for (const name of PODS) {
    const found = documents(name);
    expect(found.map(({ kind }) => kind)).toEqual(["Pod", "Service"]);
    for (const document of found) {
      const judge = judges.get(document.kind);
      if (judge === undefined) throw new Error(`no schema for ${document.kind}`);
      expect([judge(document), judge.errors]).toEqual([true, null]);
      // The judge sees what is not there: a misspelt key.
      expect(judge({ ...document, spec: { ...document.spec, imagee: 1 } })).toBe(false);
    }
  }
});

test("the two Pods differ in what KVM needs only", () => {
  const [kvm, emulated] = PODS.map((name) => documents(name)[0]);
  const told = JSON.stringify(emulated).replaceAll("smolvm-emulated", "smolvm").replace('"qemu"', '"krun"');
  const stripped = JSON.stringify(kvm)
    .replace(',"squat.ai/kvm":"1"', "")
    .replace('"supplementalGroups":[104],', "");
  expect(told).toBe(stripped);
});

test("as an ordinary user on a read-only root, the API runs a machine, and preStop ends it", async () => {
  if (process.getuid?.() !== 0) throw new Error("this test needs root, to build an image");
  const image = await buildImage();
  const { spec } = documents("pod-emulated.yaml")[0] as Pod;
  const [prepare, main] = [spec.initContainers[0], spec.containers[0]] as [Container, Container];
  for (const { securityContext } of [prepare, main])
    expect(securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  const volumes = { state: `${directory}/state`, token: `${directory}/secret` };
  for (const path of Object.values(volumes)) mkdirSync(path);
  // As the kubelet does with fsGroup: the emptyDir is the group's, and the Secret's file root's and readable by it.
  chownSync(volumes.state, 0, spec.securityContext.runAsGroup);
  chmodSync(volumes.state, 0o2777);
  writeFileSync(`${volumes.token}/token`, TOKEN, { mode: 0o440 });
  chownSync(`${volumes.token}/token`, 0, spec.securityContext.runAsGroup);
  chmodSync(directory, 0o755);

  const contain = (container: Container, command: readonly string[]) =>
    inContainer(image, spec.securityContext, container, volumes, command);
  const look = "id -u; (: >/x) 2>&1 | grep -o Read-only; grep -E 'NoNewPrivs|CapEff' /proc/self/status";
  const facts = await succeed(contain(prepare, ["sh", "-c", look]));
  expect(facts.split(/\s+/).join(" ")).toBe("12345 Read-only CapEff: 0000000000000000 NoNewPrivs: 1 ");
  await succeed(contain(prepare, prepare.command as string[]));
  const port = freePort();
  // The Pod has a network of its own; here the port is one that is free.
  const words = image.cmd.map((word) => word.replace("0.0.0.0:8080", `127.0.0.1:${port}`));
  const server = new Talking(
    Bun.spawn(contain(main, [...image.entrypoint, ...words]), {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  expect(await server.line()).toContain("listening on");
  const url = `http://127.0.0.1:${port}`;
  for (const { httpGet } of [main.startupProbe, main.livenessProbe, main.readinessProbe])
    await untilAnswers(`${url}${httpGet.path}`, 30);

  const ask = async (path: string, body: object, token = TOKEN) => {
    const answer = await fetch(`${url}/api/v1/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: await answer.json() };
  };
  expect((await ask("machines", { name: "box" }, "not-the-token-of-this-server")).status).toBe(401);
  expect(await ask("machines", { name: "box", cpus: 1, memoryMb: 256 })).toMatchObject({ status: 200 });
  const ran = await ask("machines/box/exec", { command: ["id", "-u"] });
  expect(ran).toMatchObject({ status: 200, body: { exitCode: 0, stdout: "0\n" } });
  // As the kubelet does: inside, beside what runs there. The machine ends in order, and its record stays.
  const first = firstInside(server.child.pid);
  const { runAsUser, runAsGroup } = spec.securityContext;
  const enter = ["nsenter", `--target=${first}`, "--user", "--mount", "--pid", `--setuid=${runAsUser}`];
  const environment = ["env", "-i", ...environmentOf(image, main)];
  await succeed([
    ...enter,
    `--setgid=${runAsGroup}`,
    "--",
    ...environment,
    ...main.lifecycle.preStop.exec.command,
  ]);
  const list = await fetch(`${url}/api/v1/machines`, { headers: { authorization: `Bearer ${TOKEN}` } });
  expect(await list.json()).toMatchObject({ machines: [{ name: "box", state: "stopped" }] });
  process.kill(first, "SIGTERM");
  expect(await server.child.exited).toBe(0);
});

interface BuiltImage {
  readonly root: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
}

/** Builds the Containerfile, on a Debian image of this machine's own. Its root is a directory, as podman's `vfs` has it. */
async function buildImage(): Promise<BuiltImage> {
  const places = [
    "--root",
    `${directory}/podman`,
    "--runroot",
    `${directory}/run`,
    "--storage-driver",
    "vfs",
  ];
  const podman = ["podman", ...places, "--cgroup-manager", "cgroupfs", "--events-backend", "none"];
  await succeed([...podman, "import", await debianImage(["ca-certificates"]), "localhost/base:1"]);
  mkdirSync(`${directory}/context`);
  copyFileSync(program, `${directory}/context/smolvm`);
  const qemu = process.arch === "arm64" ? "qemu-system-arm" : "qemu-system-x86";
  // Rights that a container has and this machine need not have, such as raising limits, are not asked for.
  const here = ["--layers=false", "--isolation=chroot", "--network=host", "--ulimit=nofile=1024:1024"];
  const what = ["--from", "localhost/base:1", "--build-arg", `PACKAGES=${qemu}`, "-t", "localhost/smolvm:1"];
  const file = ["-f", exampleFile("kubernetes/Containerfile"), `${directory}/context`];
  await succeed([...podman, "build", "-q", ...here, ...what, ...file]);
  const [{ Config }] = JSON.parse(await succeed([...podman, "image", "inspect", "localhost/smolvm:1"]));
  const root = (await succeed([...podman, "image", "mount", "localhost/smolvm:1"])).trim();
  // podman keeps its images from other users.
  for (const path of ["podman", "podman/vfs", "podman/vfs/dir"]) chmodSync(`${directory}/${path}`, 0o711);
  // Where volumes go; runtimes of containers make these directories before the root is read-only.
  for (const path of ["state", "secret"]) mkdirSync(`${root}/${path}`, { recursive: true });
  expect(Config).toMatchObject({ User: "12345:12345", WorkingDir: "/state" });
  return { root, env: Config.Env, entrypoint: Config.Entrypoint, cmd: Config.Cmd };
}

const environmentOf = (image: BuiltImage, { env = [] }: Container) => [
  ...image.env,
  ...env.map(({ name, value }) => `${name}=${value}`),
];

/** The words that run a command as the container would. */
function inContainer(
  image: BuiltImage,
  { runAsUser, runAsGroup }: Pod["spec"]["securityContext"],
  container: Container,
  volumes: Readonly<Record<string, string>>,
  command: readonly string[],
): string[] {
  const become = ["setpriv", `--reuid=${runAsUser}`, `--regid=${runAsGroup}`, "--clear-groups"];
  const namespaces = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--as-pid-1", "--die-with-parent"];
  const root = ["--ro-bind", image.root, "/", "--proc", "/proc", "--dev", "/dev", "--chdir", "/"];
  const mounts = container.volumeMounts.flatMap(({ name, mountPath, readOnly }) => [
    ...[readOnly ? "--ro-bind" : "--bind", volumes[name] as string, mountPath],
  ]);
  const environment = environmentOf(image, container).flatMap((line) => {
    const at = line.indexOf("=");
    return ["--setenv", line.slice(0, at), line.slice(at + 1)];
  });
  return [
    ...become,
    "bwrap",
    ...namespaces,
    ...root,
    ...mounts,
    "--clearenv",
    ...environment,
    "--",
    ...command,
  ];
}

/** The process that is number 1 in a container that bubblewrap runs. */
function firstInside(bubblewrap: number): number {
  const children = readFileSync(`/proc/${bubblewrap}/task/${bubblewrap}/children`, "utf8").trim();
  expect(children).toMatch(/^\d+$/);
  return Number(children);
}
