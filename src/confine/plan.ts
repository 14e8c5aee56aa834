/** From a program and what this host has to the order for the launcher. */
import { release } from "node:os";
import { cgroupIn, cgroupLimits } from "./cgroup.ts";
import { addLandlock, MOVES_BETWEEN_DIRECTORIES } from "./landlock.ts";
import { type LaunchOrder, OrderWriter, text, u32, u64 } from "./order.ts";
import { realPath } from "./real-path.ts";
import { addRoot } from "./root.ts";
import { architectureOf, filterOf } from "./seccomp/index.ts";
import {
  type AllowedPath,
  type ConfinedProgram,
  type ConfinedServer,
  type Confinement,
  type HostLayers,
  NO_LAYERS,
  type ProfileName,
  type ResolvedPath,
} from "./types.ts";

/** RLIMIT_*, asm-generic/resource.h. */
const LIMIT = { fsize: 1, core: 4, nproc: 6, nofile: 7, memlock: 8, as: 9, msgqueue: 12 } as const;

/** CLONE_NEWNS, -UTS, -IPC, -PID, -NET, -CGROUP (clone(2)). */
const NAMESPACES = 0x20000 | 0x4000000 | 0x8000000 | 0x20000000 | 0x40000000 | 0x2000000;
const NEW_USERS = 0x10000000;

/** Disks, sockets, eventfds: a few for each device and queue. */
const OPEN_FILES = 1024;

/** On which the launcher writes the process id of the program. */
const REPORT_FD = 3;

/**
 * The order that starts the program as confined as `confinement` says.
 *
 * @throws Error when a path that has to be there is not
 */
export function planLaunch(program: ConfinedProgram, confinement: Confinement): LaunchOrder {
  const order = new OrderWriter();
  const layers = layersOf(confinement);
  const { devices = [], sockets, descriptors = [] } = program;
  for (const { path, fd } of devices) order.step("open", path, u32(fd), text(path));
  for (const { path, fd } of sockets) order.step("connect", path, u32(fd), text(path));
  keepDescriptors(order, [...descriptors, ...[...devices, ...sockets].map(({ fd }) => fd)]);
  order.step("noNewPrivileges", "no_new_privs");
  limit(order, LIMIT.core, 0);
  const paths = layers.landlock > 0 || layers.namespaces === "root" ? resolved(program.paths) : [];
  if (layers.landlock > 0) addLandlock(order, layers.landlock, paths);
  if (layers.cgroup !== null) addCgroup(order, layers.cgroup, program);
  const { user } = confinement;
  if (user === undefined) enter(order, layers, paths);
  else enterAs(order, user, paths);
  order.step("dropCapabilities", "capabilities");
  limit(order, LIMIT.fsize, program.fileBytes);
  limit(order, LIMIT.as, program.addressSpaceBytes);
  limit(order, LIMIT.nofile, OPEN_FILES);
  if (user !== undefined || (layers.namespaces !== "none" && countsInNamespace()))
    limit(order, LIMIT.nproc, program.threads);
  limit(order, LIMIT.memlock, 0);
  limit(order, LIMIT.msgqueue, 0);
  if (layers.landlock > 0) order.step("landlockEnforce", "Landlock");
  addFilter(order, program.profile, layers);
  return order.execute(program.command, program.environment);
}

/**
 * The order that starts the server of files. It stays in the namespaces that it comes from: what it shares is there, with
 * all that is mounted below. It keeps the capabilities of whoever started it, since root's files are served with root's
 * rights.
 */
export function planServer(server: ConfinedServer, confinement: Confinement): LaunchOrder {
  const order = new OrderWriter();
  const layers = layersOf(confinement);
  keepDescriptors(order, [server.programFd, ...server.descriptors]);
  order.step("noNewPrivileges", "no_new_privs");
  limit(order, LIMIT.core, 0);
  enter(order, { ...layers, namespaces: "none" }, []);
  const program = `/proc/self/fd/${server.programFd}`;
  if (layers.landlock >= MOVES_BETWEEN_DIRECTORIES) {
    addLandlock(order, layers.landlock, [{ path: program, rights: "execute" }, ...server.paths]);
    order.step("landlockEnforce", "Landlock");
  }
  addFilter(order, "files", layers);
  return order.execute(server.command, server.environment, program);
}

/**
 * Since Linux 5.14 a user has so many threads in a user namespace; before, on the host, where other programs of the
 * user's count. (Root has no such limit.)
 */
function countsInNamespace(): boolean {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 5 || (major === 5 && minor >= 14);
}

function keepDescriptors(order: OrderWriter, others: readonly number[]): void {
  const descriptors = [0, 1, 2, REPORT_FD, ...others].sort((a, b) => a - b);
  order.step("keepDescriptors", "descriptors", u32(descriptors.length), ...descriptors.map(u32));
}

function layersOf({ mode, host }: Confinement): HostLayers {
  return mode === "off" || host === null ? NO_LAYERS : host;
}

function limit(order: OrderWriter, resource: number, value: number): void {
  order.step("limit", `limit ${resource}`, u32(resource), u64(value), u64(value));
}

/** The launcher makes it when it starts the program, and its warden removes it. */
function addCgroup(order: OrderWriter, parent: string, program: ConfinedProgram): void {
  const limits = cgroupLimits(program);
  const texts = limits.flat().map(text);
  order.step("cgroup", parent, text(cgroupIn(parent)), u32(limits.length), ...texts);
}

/** A child goes on in namespaces of its own, and what was the launcher is its warden. */
function enter(order: OrderWriter, layers: HostLayers, paths: readonly ResolvedPath[]): void {
  const flags = layers.namespaces === "none" ? 0 : NAMESPACES | NEW_USERS;
  order.step("enter", "namespaces", u64(flags), u32(REPORT_FD));
  // Without rights in its namespaces it cannot say who it is there; its files are its files all the same.
  if (layers.namespaces !== "root") return;
  const write = (path: string, content: string) => order.step("write", path, text(path), text(content));
  write("/proc/self/setgroups", "deny");
  // The caller's user and group, who are the same inside.
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  write("/proc/self/uid_map", `${uid} ${uid} 1`);
  write("/proc/self/gid_map", `${gid} ${gid} 1`);
  addRoot(order, paths);
}

/**
 * The same for root, who needs no user namespace to have the others, and becomes somebody else in them. A namespace in
 * which that user is mapped could not be made by root: the files to show are root's.
 */
function enterAs(order: OrderWriter, user: number, paths: readonly ResolvedPath[]): void {
  order.step("enter", "namespaces", u64(NAMESPACES), u32(REPORT_FD));
  addRoot(order, paths);
  order.step("become", `user ${user}`, u32(user));
}

function addFilter(order: OrderWriter, profile: ProfileName, layers: HostLayers): void {
  const architecture = architectureOf();
  if (layers.seccomp === "none" || architecture === undefined) return;
  const watched = layers.seccomp === "watched";
  const filter = filterOf(profile, architecture, watched);
  order.step("seccomp", "system calls", u32(watched ? 1 : 0), u32(filter.length / 8), filter);
}

/**
 * Rules are about files, not about names: a link is followed now, and both its place and its target are shown, so that
 * the program finds what it asks for.
 */
function resolved(paths: readonly AllowedPath[]): ResolvedPath[] {
  const found = new Map<string, ResolvedPath>();
  for (const allowed of paths) {
    const source = realPath(allowed);
    if (source === undefined) continue;
    for (const path of [source, allowed.path]) found.set(path, { ...allowed, path, source });
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}
