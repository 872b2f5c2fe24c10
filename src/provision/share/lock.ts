/** The lock file of an install: made, compared, and compared with what is about to be installed. */

import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import type { Catalog } from '../../catalog/load.ts';
import { firstWithProjectors } from '../../compat/features.ts';
import { loadRange } from '../../compat/lookup.ts';
import { matrix } from '../../compat/matrix.ts';
import { isIn, parseServerVersion, rangeText } from '../../compat/version.ts';
import type { Digest } from '../../core/digest.ts';
import { digestOf } from '../../core/digest.ts';
import { errnoOf, ProvisionError } from '../../core/errors.ts';
import type { Work } from '../../core/progress.ts';
import { realDisk } from '../../disk/disk.ts';
import { diskError } from '../../disk/errors.ts';
import { jsonKind, requireOutput } from '../../disk/output-file.ts';
import { compareLocks, type Difference, fillFromLock, requireNoDifferences } from '../../package/frozen.ts';
import { buildLock, LOCK_FILE_NAME, type Lockable, LockFile, parseLock, writeLock } from '../../package/lock-file.ts';
import { capabilitiesOf, type RuntimeFlags } from '../../runtimes/registry.ts';
import type { Suite } from '../../smoke/schema.ts';
import type { AppContext } from '../context.ts';
import { openInstaller } from '../install/installer.ts';
import { openSuite } from '../install/smoke.ts';
import type { InstallPlan, InstallRequest, SourceFile } from '../plan/contract.ts';
import { readInstallableHeader } from '../plan/header.ts';
import type { HostFlags } from '../plan/host.ts';

const LockDifference = z.strictObject({ path: z.string(), wanted: z.string().optional(), got: z.string().optional() });

export const LockData = z.strictObject({
  /** Absolute. */
  file: z.string(),
  /** Of what is planned now; with `--check` the file itself may say otherwise. */
  lock: LockFile,
  /** Of the text of this lock. */
  digest: z.string(),
  /** False when the file said the same already, and with `--check`. */
  changed: z.boolean(),
  /** With `--check`: in what the file is not what is planned now, values as JSON. */
  differences: z.array(LockDifference),
});
export type LockData = z.infer<typeof LockData>;

/** A lock file that an install must obey. */
export interface Frozen {
  /** Absolute path. */
  readonly file: string;
  readonly lock: LockFile;
  /** Of the file's text: for the record. */
  readonly digest: Digest;
  /** What the user asked for, with the rest from the lock file. */
  readonly request: InstallRequest;
}

/** `--lock FILE`, else the usual name in the current folder; absolute. */
export function lockPath(flag: string | undefined): string {
  return resolve(flag ?? LOCK_FILE_NAME);
}

/** Reads the lock file and fills the request up from it. Throws `file-not-found`, `bad-lock-file`. */
export async function openFrozen(app: AppContext, flag: string | undefined, request: InstallRequest): Promise<Frozen> {
  const file = lockPath(flag);
  const text = await readLockText(file);
  const lock = parseLock(text, file);
  const known = hasModel(await app.catalog(), lock.model);
  const filled = fillFromLock(lock, request, { folder: dirname(file), known });
  return { file, lock, digest: digestOf(text), request: filled };
}

/**
 * Holds a plan against the lock file before anything is changed or fetched. Returns the plan without its smaller ways: a
 * frozen install does not step down. Throws `lock-differs` with every difference.
 */
export async function* requireMatch(
  app: AppContext,
  { lock, file }: Frozen,
  plan: InstallPlan,
  suite: Suite | undefined,
): Work<InstallPlan> {
  const { now, source } = yield* lockForPlan(app, plan, file, suite);
  const found = compareLocks(lock, now, { suite: suite !== undefined });
  requireNoDifferences([...found, ...serverDifference(lock, plan)], file);
  const { smaller: _smaller, ...pinned } = plan;
  return { ...pinned, source };
}

export interface LockFlags extends HostFlags, RuntimeFlags {
  readonly file?: string | undefined;
  readonly check: boolean;
  readonly suite?: string | undefined;
  /** Replaces a file that is not a lock file. */
  readonly force: boolean;
}

const LOCK = jsonKind('a lock file', LOCK_FILE_NAME, ['schemaVersion', 'source', 'template', 'toolVersion']);

/** Plans a request as an install does, then writes the lock file or, with `--check`, compares it with the plan. */
export async function* lockModel(app: AppContext, asked: InstallRequest, flags: LockFlags): Work<LockData> {
  const request = flags.check ? (await openFrozen(app, flags.file, asked)).request : asked;
  if (!flags.check) await requireLockOutput(flags);
  const plan = await (await openInstaller(app, flags)).plan(request);
  const suite = await openSuite(app, flags.suite ?? plan.model.smokeSuite);
  return yield* lockPlan(app, plan, { file: lockPath(flags.file), suite, check: flags.check });
}

async function requireLockOutput({ file = LOCK_FILE_NAME, force }: LockFlags): Promise<void> {
  await requireOutput(realDisk, { typed: file, flag: '--file', kind: LOCK, force });
}

/** Writes the file, or with `check` only compares it. Writing the same again leaves the file alone. */
async function* lockPlan(
  app: AppContext,
  plan: InstallPlan,
  options: { readonly file: string; readonly suite: Suite | undefined; readonly check: boolean },
): Work<LockData> {
  const { file, suite, check } = options;
  const { now: lock } = yield* lockForPlan(app, plan, file, suite);
  const text = writeLock(lock);
  if (check) {
    const wanted = parseLock(await readLockText(file), file);
    const found = [...compareLocks(wanted, lock), ...serverDifference(wanted, plan)];
    return { file, lock, digest: digestOf(text), changed: false, differences: found };
  }
  const before = await realDisk.readText(file);
  const changed = before !== text;
  if (changed) await realDisk.replaceOutput(file, text);
  return { file, lock, digest: digestOf(text), changed, differences: [] };
}

/** The lock that pins a plan as it is now, and its source with the digest computed. */
async function* lockForPlan(
  app: AppContext,
  plan: InstallPlan,
  file: string,
  suite: Suite | undefined,
): Work<{ readonly now: LockFile; readonly source: InstallPlan['source'] }> {
  const { source, family, model, quant, name } = plan;
  if (source.kind === 'library') {
    throw new ProvisionError('bad-usage', `${source.ref} cannot be locked: only the server knows what it pulled`, {
      suggestions: ['Lock a file instead: --from ./model.gguf, or --from hf:owner/repo@commit/file.gguf.'],
    });
  }
  const hashed = yield* withDigest(app, source.file);
  const projector = source.projector && {
    ...source.projector,
    file: yield* withDigest(app, source.projector.file),
  };
  const { root, version, signal } = app.options;
  const header =
    source.header ?? (await readInstallableHeader(source.file, { http: (await app.bytes()).http, signal }));
  const lockable: Lockable = {
    family,
    model,
    quant,
    name,
    file: hashed,
    ...(projector !== undefined && { projector: projector.file }),
    spec: source.spec,
    header,
  };
  const range = loadRange(family.architecture);
  const server = range && projector ? { ...range, min: firstWithProjectors(matrix()) } : range;
  const now = buildLock(lockable, { folder: dirname(file), root, server, suite, toolVersion: version });
  return { now, source: { ...source, file: hashed, ...(projector !== undefined && { projector }) } };
}

/** A file of this machine is read to its end: a claimed digest is not evidence of its bytes. */
async function* withDigest(app: AppContext, file: SourceFile): Work<SourceFile & { readonly digest: Digest }> {
  if (file.kind === 'remote') return file;
  const { hash } = await app.bytes();
  const digest = yield* hash(file, 'hash', app.options.signal);
  return { ...file, digest };
}

/** A server that the lock file rules out. The embedded runtime comes with this tool, so its version is not asked. */
function serverDifference({ server }: LockFile, { runtime }: InstallPlan): Difference[] {
  if (server === undefined || !capabilitiesOf(runtime.kind).isServer) return [];
  const range = { since: server.min, until: server.max };
  if (isIn(parseServerVersion(runtime.version), range)) return [];
  return [{ path: 'server', wanted: `Ollama ${rangeText(range)}`, got: runtime.version }];
}

function hasModel({ families }: Catalog, model: string): boolean {
  return families.some(({ family }) => family.models.some(({ id }) => id === model));
}

async function readLockText(file: string): Promise<string> {
  try {
    return await realDisk.readFile(file, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw diskError('read', file, cause);
    throw new ProvisionError('file-not-found', `the lock file ${file} does not exist`, {
      cause,
      suggestions: ['Create one with: gemma-provision lock', 'Specify it with --lock FILE.'],
    });
  }
}
