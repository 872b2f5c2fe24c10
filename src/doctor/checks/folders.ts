import { join } from 'node:path';
import { errnoOf, ProvisionError } from '../../core/errors.ts';
import { formatBytes } from '../../core/units.ts';
import { mayWrite } from '../../disk/disk.ts';
import type { DiskNeed } from '../../provision/install/schema.ts';
import { type StoreInputs, storeNeed } from '../../provision/plan/disk.ts';
import type { StorableFile, TransferPlan } from '../../runtimes/contract.ts';
import { ownStores } from '../../runtimes/registry.ts';
import { defineCheck, type Finding, ok, problem, skipped, warning, withLocalServer } from '../check.ts';
import { freeAt, HIDDEN, nearestFolder, ownFolder, reasonOf } from '../folder.ts';
import type { Size } from '../subject.ts';
import type { DoctorView } from '../view.ts';

/** Where the server keeps its models, and whether it may write there. */
export const modelsFolder = defineCheck({
  id: 'models-folder',
  title: 'Models folder',
  run: (view) =>
    withLocalServer(view, async () => {
      const folder = await view.models();
      if (folder === undefined) return skipped('The models folder of the server cannot be determined from here.');
      const source = folder.certain ? "from the server's own environment" : 'a guess: the server does not report it';
      const finding = await judgeAccess(view, folder.reach);
      return { ...finding, detail: `${folder.path} (${source}); ${finding.detail}` };
    }),
});

async function judgeAccess(view: DoctorView, reach: string): Promise<Finding> {
  try {
    const { path } = await nearestFolder(view, reach);
    const { socket } = await view.process();
    return await writableBy(view, path, socket?.uid);
  } catch (error) {
    if (!HIDDEN.includes(errnoOf(error) ?? '')) throw error;
    return skipped('this user may not read it; run doctor as root to check it.');
  }
}

async function writableBy(view: DoctorView, path: string, server: number | undefined): Promise<Finding> {
  const facts = await view.disk.stat(path, { bigint: true });
  const [mode, uid] = [Number(facts.mode), Number(facts.uid)];
  const refusal = await mayWrite(view.disk, path).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (errnoOf(refusal) === 'EROFS') return unwritable(path, 'its file system is read-only');
  if (server === undefined || view.uid === undefined) {
    return refusal === undefined
      ? ok('this user may write there.')
      : skipped(`this user may not write there (${reasonOf(refusal)}), whether the server may is unknown.`);
  }
  // Root may write everywhere, so its own attempt says nothing about another user.
  if (server === 0) return ok('the server runs as root and may write there.');
  if (server === view.uid) {
    return refusal === undefined ? ok('the server may write there.') : unwritable(path, reasonOf(refusal));
  }
  if (uid === server && (mode & 0o200) !== 0) return ok('it belongs to the server’s user.');
  if (uid !== server && (mode & 0o002) !== 0) return ok('every user may write there.');
  if (uid !== server && (mode & 0o020) !== 0) return skipped('whether the server’s user is in its group is unknown.');
  return unwritable(path, `it belongs to user ${uid}, the server runs as user ${server}`);
}

function unwritable(path: string, why: string): Finding {
  return problem(
    `the server cannot write there: ${why}.`,
    `Give ${path} to the user that the server runs as, or set OLLAMA_MODELS to another folder for it.`,
  );
}

interface Store {
  /** For people. */
  readonly path: string;
  readonly reach: string;
  /** What an install of a file needs there, by the function that plans one. */
  need(size: Size): Promise<DiskNeed>;
}

/** Whether the model's bytes fit where the runtime stores them, at the peak of the install. */
export const diskSpace = defineCheck({
  id: 'disk-space',
  title: 'Disk space',
  async run(view, signal) {
    const store = await storeOf(view, signal);
    if (typeof store === 'string') return skipped(store);
    try {
      return await judgeSpace(view, store, await freeAt(view, store.reach));
    } catch (error) {
      if (!HIDDEN.includes(errnoOf(error) ?? '')) throw error;
      return skipped(`This user may not read ${store.path}; run doctor as root to check its disk.`);
    }
  },
});

async function storeOf(view: DoctorView, signal: AbortSignal): Promise<Store | string> {
  const target = await view.target();
  if (target === 'none') return 'No runtime is available: see the checks of the server and the embedded runtime.';
  const { data } = view.paths;
  if (target === 'own-runtime') {
    const runtime = { kind: 'the embedded runtime', version: '', endpoint: data };
    const facts = { store: { purpose: 'data', path: data }, diskFactor: 1 } as const;
    const need = needIn(view, { facts, runtime }, (file) => view.embedded.planTransfer?.(file, signal));
    return { path: data, reach: data, need };
  }
  if (!view.local()) return 'The server is on another machine: run doctor there.';
  const { server } = view;
  if (server instanceof ProvisionError) throw server;
  const [folder, { diskFactor, version }] = await Promise.all([view.models(), view.facts()]);
  if (folder === undefined) return 'The models folder of the server cannot be determined from here.';
  const runtime = { kind: 'Ollama', version: version.raw, endpoint: server.endpoint };
  const facts = { store: { purpose: 'models', path: folder.path }, diskFactor } as const;
  return { ...folder, need: needIn(view, { facts, runtime }, (file) => server.planTransfer?.(file, signal)) };
}

/** For a file on this machine, as with `--from`. A transfer that cannot be planned here counts as the most expensive one. */
function needIn(
  { paths }: DoctorView,
  where: Omit<StoreInputs, 'profile'>,
  plan: (file: StorableFile) => Promise<TransferPlan | undefined> | undefined,
): Store['need'] {
  return async ({ bytes, path = join(paths.cache, 'model.gguf') }) => {
    const transfer = await plan({ ref: path, path, sizeBytes: bytes })?.catch(() => undefined);
    return storeNeed(bytes, transfer, { ...where, profile: { disks: [] } });
  };
}

async function judgeSpace(view: DoctorView, { path, need }: Store, free: number): Promise<Finding> {
  const { label, smallest, typical, named } = await view.subject();
  const [least, usual] = await Promise.all([need(smallest), need(typical)]);
  const has = `${path} has ${formatBytes(free)} free`;
  const exact = smallest.quant === typical.quant;
  if (free < least.needBytes) {
    const which = exact ? label : `even the smallest quant of ${label} (${smallest.quant})`;
    return problem(
      `${has}; ${which} needs ${formatBytes(least.needBytes)} (${least.why}).`,
      named
        ? 'Free some space there, or choose a smaller model.'
        : 'Free some space there, or name a smaller model: gemma-provision doctor MODEL.',
    );
  }
  if (free < usual.needBytes) {
    return warning(
      `${has}; ${label} needs ${formatBytes(least.needBytes)} as ${smallest.quant} and ${formatBytes(usual.needBytes)} as ${typical.quant} (${usual.why}).`,
      'Free some space there, or choose a smaller quant with --quant.',
    );
  }
  return ok(
    `${has}; ${label} needs ${formatBytes(usual.needBytes)}${exact ? '' : ` as ${typical.quant}`} (${usual.why}).`,
  );
}

/** An install only reads it, so a read-only folder blocks nothing. */
export const configFolder = defineCheck({
  id: 'config-folder',
  title: 'Config folder',
  async run(view) {
    const folder = view.paths.config;
    try {
      const { path, exact } = await nearestFolder(view, folder);
      await mayWrite(view.disk, path);
      if (!exact) return ok(`${folder} does not exist, so the defaults are used.`);
      const names = await view.disk.readdir(path);
      return ok(`${folder}, ${names.includes('config.json') ? 'with' : 'without'} a config.json.`);
    } catch (error) {
      return warning(
        `${folder} cannot be read and written: ${reasonOf(error)}.`,
        `To change settings there, give the folder to this user: ${folder}`,
      );
    }
  },
});

/** Records and locks are written there; without them no install can run. */
export const dataFolder = defineCheck({
  id: 'data-folder',
  title: 'Data folder',
  run: (view) =>
    ownFolder(view, view.paths.data, [
      'registry',
      'locks',
      ...ownStores(view.paths.data).map(({ folderName }) => folderName),
    ]),
});

/** Digests of files are stored there, so that a second run need not read the files again. */
export const cacheFolder = defineCheck({
  id: 'cache-folder',
  title: 'Cache folder',
  run: (view) => ownFolder(view, view.paths.cache),
});
