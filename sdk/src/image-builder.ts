import type { Smolvm } from "./client.ts";
import { defaultTransport } from "./default-transport.ts";
import { errorOf, ImageError } from "./errors.ts";
import { Images } from "./images.ts";
import { within } from "./limit.ts";
import { Machine } from "./machine.ts";
import { variablesOf } from "./request.ts";
import type { ExecResult } from "./result.ts";
import { SSH_COMMAND, type SshAccess, sshScript } from "./ssh-image.ts";
import type { BuiltImage, CallOptions, Env, ExecOptions, MachineOptions, OnProgress } from "./types/index.ts";

/**
 * How the machine is that an image is built in, and who hears of the build.
 *
 * @example
 * const options: BuildOptions = { name: "app:1", network: true, timeoutMs: 600_000 };
 * await new ImageBuilder("alpine:3.20").run("apk add git").build(options);
 */
export interface BuildOptions
  extends CallOptions,
    Pick<MachineOptions, "cpus" | "memoryMiB" | "overlayGiB" | "network" | "mounts" | "secrets">,
    Pick<ExecOptions, "onStdout" | "onStderr"> {
  /** What the image is called, as `app:1`. One that is called so loses its name. */
  readonly name: string;
  /** Milliseconds that the boot may take once the base image is there. Default: 30,000. */
  readonly startTimeoutMs?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * A step of the build has failed: `image.not_built`.
 *
 * @example
 * try {
 *   await new ImageBuilder().run("exit 3").build({ name: "none:1" });
 * } catch (error) {
 *   if (error instanceof ImageBuildError) console.error(error.script, error.result.exitCode);
 * }
 */
export class ImageBuildError extends ImageError {
  override name = "ImageBuildError";
  /** The script, as `run` was given it. */
  readonly script: string;
  /** How it ended, and what it had printed. */
  readonly result: ExecResult;

  /** @internal */
  constructor(script: string, result: ExecResult) {
    const how = result.signal === null ? `with exit code ${result.exitCode}` : `by ${result.signal}`;
    const said = (result.stderr.trim() || result.output).slice(-SAID_LENGTH);
    super({
      code: "image.not_built",
      message: `${JSON.stringify(script.slice(0, SAID_LENGTH))} ended ${how}${said === "" ? "" : `: ${said}`}`,
      details: { exitCode: result.exitCode },
    });
    this.script = script;
    this.result = result;
  }
}

/** Characters of a message that tell what a command said: its last lines. */
const SAID_LENGTH = 2000;

/** What holds for the steps that follow, as in a Dockerfile. */
interface Surroundings {
  env: Record<string, string>;
  workdir: string | undefined;
  user: string | undefined;
}

type Step = (machine: Machine, around: Surroundings, work: Work) => Promise<void>;
type Work = CallOptions & Pick<ExecOptions, "onStdout" | "onStderr">;

/**
 * Makes an image: boots a machine of another one, does the steps in it in their order, and commits it. The base has to
 * have a `/bin/sh`. Each method but `build` adds a step, or says how machines of the image run, and gives the builder.
 *
 * @example
 * const image = await new ImageBuilder("python:3.12-alpine")
 *   .run("pip install flask")
 *   .copy("./app", "/app")
 *   .workdir("/app")
 *   .command(["python3", "app.py"])
 *   .build({ name: "app:1", network: true });
 * await using machine = await Machine.create({ image });
 */
export class ImageBuilder {
  readonly #base: MachineOptions["image"];
  readonly #client: Pick<Smolvm, "create" | "images">;
  readonly #steps: Step[] = [];
  /** Lines of a Dockerfile, for the commit. */
  readonly #changes: string[] = [];
  #entrypoint: readonly string[] | undefined;
  #command: readonly string[] | undefined;

  /**
   * Builds nothing yet.
   *
   * @param base Of a registry or the cache, or the path of one. Default: the built-in Alpine
   * @param options.client Whose machine it is built in. Default: as `Machine.create`
   */
  constructor(
    base?: MachineOptions["image"],
    options: { readonly client?: Pick<Smolvm, "create" | "images"> | undefined } = {},
  ) {
    this.#base = base;
    this.#client = options.client ?? {
      create: (wanted) => Machine.create(wanted),
      images: new Images(defaultTransport),
    };
  }

  /**
   * Runs a script, by `/bin/sh -c`. Its failure ends the build.
   *
   * @example
   * await new ImageBuilder("alpine:3.20").run("adduser -D app").build({ name: "app:1" });
   */
  run(script: string): this {
    return this.#step(async (machine, around, { signal, onStdout, onStderr }) => {
      const asked = { ...around, signal, onStdout, onStderr };
      const result = await machine.exec(["/bin/sh", "-c", script], asked);
      if (!result.ok) throw new ImageBuildError(script, result);
    });
  }

  /**
   * Installs packages of the base's system: by `apk` or `apt-get`, whichever it has. The machine of the build needs a
   * network that reaches its mirrors.
   *
   * @example
   * await new ImageBuilder("debian:12-slim").packages("git", "make").build({ name: "ci:1", network: true });
   * @throws InvalidConfigError for what is no name of a package
   */
  packages(...names: readonly string[]): this {
    for (const name of names)
      if (!/^[A-Za-z0-9][A-Za-z0-9.+:=~_-]*$/.test(name))
        throw invalid("packages", `${JSON.stringify(name)} is none`);
    if (names.length === 0) return this;
    const list = names.join(" ");
    return this.run(
      `if command -v apk >/dev/null; then apk add --no-cache ${list}
else apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${list}; fi`,
    );
  }

  /**
   * Machines of the image run an SSH server, which lets root in: `expose(22)` is the way to it. It is installed where the
   * base has none, which needs a network. Not after `user`.
   *
   * @example
   * const image = await new ImageBuilder("alpine:3.20")
   *   .ssh({ authorizedKeys: ["ssh-ed25519 AAAA… me"] })
   *   .build({ name: "box:1", network: true });
   * await using machine = await Machine.create({ image, network: true });
   * const { host } = await machine.expose(22);
   * @throws InvalidConfigError for a password or a key that is no line of text
   */
  ssh(access: SshAccess): this {
    this.entrypoint([]).command(SSH_COMMAND);
    return this.run(sshScript(access));
  }

  /**
   * Copies a file or a folder of this host into the image; directories above it are made.
   *
   * @example
   * await new ImageBuilder("alpine:3.20").copy("./app", "/app").build({ name: "app:1" });
   */
  copy(hostPath: string, guestPath: string): this {
    return this.#step(async (machine, { workdir = "/" }, { signal }) => {
      const target = guestPath.startsWith("/") ? guestPath : `${workdir}/${guestPath}`;
      await machine.copyIn(hostPath, target, { mkdir: true, signal });
    });
  }

  /**
   * Sets variables, for the steps that follow and for machines of the image.
   *
   * @example
   * await new ImageBuilder("alpine:3.20").env({ LANG: "C.UTF-8" }).build({ name: "app:1" });
   * @throws InvalidConfigError
   */
  env(values: Env): this {
    const variables = variablesOf(values) ?? [];
    if (variables.length === 0) return this;
    this.#changes.push(`ENV ${variables.map(({ name, value }) => `${name}=${quoted(value)}`).join(" ")}`);
    return this.#step(async (_, around) => {
      for (const { name, value } of variables) around.env[name] = value;
    });
  }

  /**
   * The directory of the steps that follow and of machines of the image; it is made.
   *
   * @example
   * await new ImageBuilder("alpine:3.20").workdir("/app").build({ name: "app:1" });
   * @throws InvalidConfigError
   */
  workdir(path: string): this {
    if (!path.startsWith("/"))
      throw invalid("workdir", `${JSON.stringify(path)} does not begin with a slash`);
    this.#changes.push(`WORKDIR ${path}`);
    return this.#step(async (machine, around, { signal }) => {
      await machine.fs.mkdir(path, { recursive: true, signal });
      around.workdir = path;
    });
  }

  /**
   * USER[:GROUP] of the steps that follow and of machines of the image.
   *
   * @example
   * await new ImageBuilder("alpine:3.20").user("nobody").build({ name: "app:1" });
   */
  user(name: string): this {
    this.#changes.push(`USER ${quoted(name)}`);
    return this.#step(async (_, around) => {
      around.user = name;
    });
  }

  /**
   * The program of machines of the image; the base's command is no argument of it.
   *
   * @example
   * await new ImageBuilder("alpine:3.20").entrypoint(["/app/server"]).build({ name: "app:1" });
   * @throws InvalidConfigError
   */
  entrypoint(argv: readonly string[]): this {
    this.#entrypoint = words("entrypoint", argv);
    return this;
  }

  /**
   * What machines of the image run, or arguments of the entrypoint.
   *
   * @example
   * await new ImageBuilder("alpine:3.20").command(["sh", "-c", "date"]).build({ name: "app:1" });
   * @throws InvalidConfigError
   */
  command(argv: readonly string[]): this {
    this.#command = words("command", argv);
    return this;
  }

  /**
   * Says which ports programs of the image listen at. It publishes none.
   *
   * @example
   * await new ImageBuilder("alpine:3.20").port(8080).build({ name: "app:1" });
   */
  port(...ports: readonly number[]): this {
    if (ports.length > 0) this.#changes.push(`EXPOSE ${ports.join(" ")}`);
    return this;
  }

  /**
   * Labels of the image.
   *
   * @example
   * await new ImageBuilder("alpine:3.20").label({ team: "web" }).build({ name: "app:1" });
   */
  label(values: Readonly<Record<string, string>>): this {
    const pairs = Object.entries(values).map(([name, value]) => `${quoted(name)}=${quoted(value)}`);
    if (pairs.length > 0) this.#changes.push(`LABEL ${pairs.join(" ")}`);
    return this;
  }

  /**
   * Builds it. The machine that it is built in is deleted, however the build ends; a builder builds as often as it is
   * asked.
   *
   * @example
   * const { reference, sizeBytes } = await new ImageBuilder("alpine:3.20")
   *   .run("echo hello > /greeting")
   *   .build({ name: "greeting:1" });
   * @throws ImageBuildError when a script fails; ImageError; FileError; OperationTimeoutError; the signal's reason
   */
  async build(options: BuildOptions): Promise<BuiltImage> {
    return await within("build", options, async (signal) => {
      const { name, timeoutMs: _, onStdout, onStderr, ...wanted } = options;
      const machine = await this.#client.create({
        ...{ ...wanted, name: undefined, signal, image: this.#base },
        // What the base runs has no business in the image: the steps alone make it.
        ...{ entrypoint: [], command: ["/bin/sh", "-c", ":"] },
      });
      try {
        const around: Surroundings = { env: {}, workdir: undefined, user: undefined };
        for (const [index, step] of this.#steps.entries()) {
          options.onProgress?.({ type: "step", index, count: this.#steps.length });
          await step(machine, around, { signal, onStdout, onStderr });
        }
        await machine.stop({ signal });
        return await this.#client.images.commit(machine.name, { name, changes: this.#allChanges(), signal });
      } finally {
        await machine[Symbol.asyncDispose]();
      }
    });
  }

  #step(step: Step): this {
    this.#steps.push(step);
    return this;
  }

  /** In this order: an ENTRYPOINT takes the CMD before it away. */
  #allChanges(): string[] {
    const run = [
      ["ENTRYPOINT", this.#entrypoint],
      ["CMD", this.#command],
    ] as const;
    const lines = run.flatMap(([name, argv]) =>
      argv === undefined ? [] : [`${name} ${JSON.stringify(argv)}`],
    );
    return [...this.#changes, ...lines];
  }
}

const invalid = (field: string, message: string) =>
  errorOf({ code: "sdk.bad_request", message: `${field}: ${message}`, details: { field } });

function words(field: string, argv: readonly string[]): readonly string[] {
  if (!argv.every((word) => typeof word === "string")) throw invalid(field, "is no list of words");
  return [...argv];
}

/** A word of a Dockerfile's line. */
const quoted = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;
