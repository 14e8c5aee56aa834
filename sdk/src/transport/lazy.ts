/** How machines are reached, loaded with the first call: importing the package is cheap. */
import type { Transport } from "./types.ts";

type Of<Name extends keyof Transport> = Parameters<Transport[Name]>;

export class LazyTransport implements Transport {
  readonly #load: () => Promise<Transport>;
  #loaded: Promise<Transport> | undefined;

  constructor(load: () => Promise<Transport>) {
    this.#load = load;
  }

  async api(...given: Of<"api">) {
    return await (await this.#loading()).api(...given);
  }

  async create(...given: Of<"create">) {
    return await (await this.#loading()).create(...given);
  }

  async start(...given: Of<"start">) {
    return await (await this.#loading()).start(...given);
  }

  async release(...given: Of<"release">) {
    await (await this.#loading()).release(...given);
  }

  async exec(...given: Of<"exec">) {
    return await (await this.#loading()).exec(...given);
  }

  async launch(...given: Of<"launch">) {
    return await (await this.#loading()).launch(...given);
  }

  async attach(...given: Of<"attach">) {
    return await (await this.#loading()).attach(...given);
  }

  async *watch(...given: Of<"watch">) {
    yield* (await this.#loading()).watch(...given);
  }

  async writeFile(...given: Of<"writeFile">) {
    return await (await this.#loading()).writeFile(...given);
  }

  async *readFile(...given: Of<"readFile">) {
    yield* (await this.#loading()).readFile(...given);
  }

  async copyIn(...given: Of<"copyIn">) {
    return await (await this.#loading()).copyIn(...given);
  }

  async copyOut(...given: Of<"copyOut">) {
    return await (await this.#loading()).copyOut(...given);
  }

  async *logs(...given: Of<"logs">) {
    yield* (await this.#loading()).logs(...given);
  }

  async pull(...given: Of<"pull">) {
    return await (await this.#loading()).pull(...given);
  }

  async checkHost(...given: Of<"checkHost">) {
    return await (await this.#loading()).checkHost(...given);
  }

  async program(...given: Of<"program">) {
    return await (await this.#loading()).program(...given);
  }

  async locate(...given: Of<"locate">) {
    return await (await this.#loading()).locate(...given);
  }

  async close() {
    await (await this.#loading()).close();
  }

  #loading(): Promise<Transport> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }
}
