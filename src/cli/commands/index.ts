import type { Program } from "../program/types.ts";
import { registriesEdit } from "./config/registries-edit.ts";
import { registriesInit } from "./config/registries-init.ts";
import { registriesPath } from "./config/registries-path.ts";
import { registriesShow } from "./config/registries-show.ts";
import { configShow } from "./config/show.ts";
import { containerCreate } from "./container/create.ts";
import { containerExec } from "./container/exec.ts";
import { containerList } from "./container/ls.ts";
import { containerRemove } from "./container/rm.ts";
import { containerStart } from "./container/start.ts";
import { containerStop } from "./container/stop.ts";
import { dockerEnv } from "./docker/env.ts";
import { frame } from "./frame.ts";
import { imagesInspect } from "./images/inspect.ts";
import { imagesList } from "./images/ls.ts";
import { imagesPrune } from "./images/prune.ts";
import { imagesPull, pull } from "./images/pull.ts";
import { imagesRemove } from "./images/rm.ts";
import { imagesSave } from "./images/save.ts";
import { keygen } from "./keygen.ts";
import { apply } from "./machine/apply.ts";
import { attach } from "./machine/attach.ts";
import { clone } from "./machine/clone.ts";
import { commit } from "./machine/commit.ts";
import { cp, machineCopy } from "./machine/cp.ts";
import { create } from "./machine/create.ts";
import { dataDir } from "./machine/data-dir.ts";
import { remove } from "./machine/delete.ts";
import { diff } from "./machine/diff.ts";
import { disable } from "./machine/disable.ts";
import { discard } from "./machine/discard.ts";
import { egressEvents } from "./machine/egress-events.ts";
import { enable } from "./machine/enable.ts";
import { exec } from "./machine/exec.ts";
import { machineImages } from "./machine/images.ts";
import { inspect } from "./machine/inspect.ts";
import { kill } from "./machine/kill.ts";
import { logs } from "./machine/logs.ts";
import { ls } from "./machine/ls.ts";
import { monitor } from "./machine/monitor.ts";
import { policyExplain } from "./machine/policy-explain.ts";
import { policyLearned } from "./machine/policy-learned.ts";
import { machinePrune } from "./machine/prune.ts";
import { ps } from "./machine/ps.ts";
import { resize } from "./machine/resize.ts";
import { run } from "./machine/run.ts";
import { shell } from "./machine/shell.ts";
import { start } from "./machine/start.ts";
import { stats } from "./machine/stats.ts";
import { status } from "./machine/status.ts";
import { stop } from "./machine/stop.ts";
import { update } from "./machine/update.ts";
import { wait } from "./machine/wait.ts";
import { mcpInstall } from "./mcp/install.ts";
import { mcpStart } from "./mcp/start.ts";
import { mcpWrap } from "./mcp/wrap.ts";
import { packCreate } from "./pack/create.ts";
import { packExport } from "./pack/export.ts";
import { packInspect } from "./pack/inspect.ts";
import { packPrune } from "./pack/prune.ts";
import { packPull } from "./pack/pull.ts";
import { packPush } from "./pack/push.ts";
import { packRun } from "./pack/run.ts";
import { serveOpenApi } from "./serve/openapi.ts";
import { serveStart } from "./serve/start.ts";
import { smolfileCheck } from "./smolfile/check.ts";
import { completion } from "./system/completion.ts";
import { doctor } from "./system/doctor.ts";
import { help } from "./system/help.ts";
import { licences } from "./system/licences.ts";
import { selfUpdate } from "./system/self-update.ts";
import { version } from "./system/version.ts";
import { volumeCreate } from "./volume/create.ts";
import { volumeInspect } from "./volume/inspect.ts";
import { volumeList } from "./volume/ls.ts";
import { volumePrune } from "./volume/prune.ts";
import { volumeRemove } from "./volume/rm.ts";

/** The command line of smolvm: a command that is not listed here does not exist. */
export const program: Program = {
  ...frame,
  commands: [
    run,
    create,
    start,
    stop,
    remove,
    ls,
    status,
    inspect,
    exec,
    shell,
    ps,
    attach,
    kill,
    logs,
    egressEvents,
    policyExplain,
    policyLearned,
    stats,
    monitor,
    wait,
    update,
    resize,
    clone,
    commit,
    machineCopy,
    diff,
    apply,
    discard,
    enable,
    disable,
    machineImages,
    machinePrune,
    dataDir,
    containerCreate,
    containerStart,
    containerStop,
    containerRemove,
    containerList,
    containerExec,
    dockerEnv,
    volumeCreate,
    volumeList,
    volumeInspect,
    volumeRemove,
    volumePrune,
    imagesList,
    imagesPull,
    imagesRemove,
    imagesInspect,
    imagesSave,
    imagesPrune,
    pull,
    cp,
    packCreate,
    packRun,
    packInspect,
    packExport,
    packPush,
    packPull,
    packPrune,
    keygen,
    serveStart,
    serveOpenApi,
    mcpStart,
    mcpWrap,
    mcpInstall,
    smolfileCheck,
    configShow,
    registriesShow,
    registriesEdit,
    registriesInit,
    registriesPath,
    doctor,
    completion,
    licences,
    selfUpdate,
    version,
    help,
  ],
};
