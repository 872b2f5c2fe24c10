import { join } from 'node:path';
import * as z from 'zod';
import { Digest, digestOf } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { checkDocument, looseJson, parseJson } from '../core/parse.ts';
import { RuntimeIdentity } from '../runtimes/contract.ts';
import { comparedPart, compareWithBaseline, Regression } from '../smoke/regress.ts';
import { SmokeResult, type Suite } from '../smoke/schema.ts';
import { asBadRecord, fileNameOf, type RecordKey, type Registry, refuseNewer } from './record-file.ts';

/** A run of a suite in which nothing failed, with all that may explain a later difference. */
export const BaselineRun = z.strictObject({
  suite: z.strictObject({ id: z.string(), digest: Digest }),
  runtime: RuntimeIdentity,
  /** The model's bytes then: under one name another quant may have come since. */
  stored: z.strictObject({ layerDigest: Digest.optional(), entryDigest: Digest.optional() }),
  toolVersion: z.string(),
  at: z.iso.datetime(),
  result: SmokeResult,
});
export type BaselineRun = z.infer<typeof BaselineRun>;

/** A finished run with what is known around it. */
export function baselineRunOf(
  suite: Suite,
  result: SmokeResult,
  around: {
    readonly runtime: RuntimeIdentity;
    /** Digests of the model and its entry, as the runtime or a record has them. */
    readonly stored: { readonly layerDigest?: Digest | undefined; readonly entryDigest?: Digest | undefined };
    readonly toolVersion: string;
    readonly at: Date;
  },
): BaselineRun {
  const { layerDigest, entryDigest } = around.stored;
  return {
    suite: { id: suite.id, digest: digestOf(JSON.stringify(suite)) },
    runtime: around.runtime,
    stored: { ...(layerDigest && { layerDigest }), ...(entryDigest && { entryDigest }) },
    toolVersion: around.toolVersion,
    at: around.at.toISOString(),
    result,
  };
}

/** What got worse since the baseline. */
export const BaselineReport = z.strictObject({
  /** When the baseline was run. */
  at: z.iso.datetime(),
  /** What else is different since, which may explain it: the server's version, the model's file, the suite. */
  changes: z.array(z.string()),
  regressions: z.array(Regression),
});
export type BaselineReport = z.infer<typeof BaselineReport>;

/** Compares two runs of one suite on one model. Other bytes or other questions get other answers: those are not listed. */
export function compareRuns(now: BaselineRun, before: BaselineRun): BaselineReport {
  const alike = bytesOf(now) === bytesOf(before) && now.suite.digest === before.suite.digest;
  const regressions = compareWithBaseline(now.result, before.result);
  return {
    at: before.at,
    changes: changesSince(before, now),
    regressions: regressions.filter(({ kind }) => alike || kind !== 'answer-changed'),
  };
}

function changesSince(before: BaselineRun, now: BaselineRun): string[] {
  const changes: string[] = [];
  if (bytesOf(now) !== bytesOf(before)) changes.push("the model's file changed");
  else if (now.stored.entryDigest !== before.stored.entryDigest)
    changes.push("the model's template or parameters changed");
  if (now.runtime.version !== before.runtime.version)
    changes.push(`${now.runtime.kind} ${before.runtime.version} became ${now.runtime.version}`);
  if (now.suite.digest !== before.suite.digest) changes.push(`the suite ${now.suite.id} changed`);
  if (now.toolVersion !== before.toolVersion)
    changes.push(`gemma-provision ${before.toolVersion} became ${now.toolVersion}`);
  return changes;
}

function bytesOf({ stored }: BaselineRun): string | undefined {
  return stored.layerDigest ?? stored.entryDigest;
}

/** One file a model, the last good run of each suite in it. */
const BaselineFile = z.strictObject({
  schemaVersion: z.literal(1),
  name: z.string(),
  runtime: RuntimeIdentity.pick({ kind: true, endpoint: true }),
  runs: z.array(BaselineRun),
});
type BaselineFile = z.infer<typeof BaselineFile>;

/** Suites of one model that are remembered; of more, the one run longest ago is forgotten. */
const MOST_SUITES = 8;

export interface FoundBaseline {
  /** The last run of this suite on this model in which nothing failed. */
  readonly run?: BaselineRun;
  /** Why there is none although there is a file: broken, or of a newer version of this tool. For a warning. */
  readonly problem?: ProvisionError;
}

/**
 * The baseline of a model and a suite. Throws nothing: a file that cannot be used must not stop a smoke test, so it comes
 * back as a `bad-record` for the caller to report.
 */
export async function findBaseline(registry: Registry, key: RecordKey, suiteId: string): Promise<FoundBaseline> {
  try {
    const file = await readFile(registry, key);
    const run = file?.runs.find(({ suite }) => suite.id === suiteId);
    return run === undefined ? {} : { run };
  } catch (error) {
    return { problem: asBadRecord(error, pathOf(registry, key)) };
  }
}

/**
 * Keeps a run as the baseline of its model and suite, in one step, and returns its path; a run with failed checks is
 * none and leaves everything as it is. Call it under the lock. A broken file is replaced. Throws `bad-record` for one of
 * a newer version of this tool.
 */
export async function keepBaseline(registry: Registry, key: RecordKey, run: BaselineRun): Promise<string | undefined> {
  if (run.result.failed > 0) return undefined;
  const path = pathOf(registry, key);
  const others = (await runsToKeep(registry, key)).filter(({ suite }) => suite.id !== run.suite.id);
  const newest = others.toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at));
  const { kind, endpoint } = key.runtime;
  const runs = [bounded(run), ...newest].slice(0, MOST_SUITES);
  const file = { schemaVersion: 1, name: key.name, runtime: { kind, endpoint }, runs };
  await registry.disk.replaceText(path, `${JSON.stringify(BaselineFile.parse(file), null, 2)}\n`);
  return path;
}

/** Forgets the baselines of a model, broken or not; true when there were some. */
export async function dropBaselines(registry: Registry, key: RecordKey): Promise<boolean> {
  const path = pathOf(registry, key);
  const present = (await registry.disk.readText(path)) !== undefined;
  if (present) await registry.disk.remove(path);
  return present;
}

function pathOf({ dataDir }: Registry, key: RecordKey): string {
  return join(dataDir, 'baselines', fileNameOf(key));
}

async function readFile(registry: Registry, key: RecordKey): Promise<BaselineFile | undefined> {
  const path = pathOf(registry, key);
  const text = await registry.disk.readText(path);
  if (text === undefined) return undefined;
  const document = { name: path, code: 'bad-record', suggestions: remedies(path) } as const;
  const value = parseJson(text, document);
  refuseNewer(value, path);
  const file = checkDocument(BaselineFile, value, document, Object.keys(BaselineFile.shape));
  if (fileNameOf(file) === fileNameOf(key)) return file;
  throw new ProvisionError('bad-record', `${path} contains the baselines of ${file.name}, not of ${key.name}.`, {
    suggestions: remedies(path),
  });
}

/** Runs of a file that may be replaced: of a broken one, none. Throws `bad-record` for one that is too new. */
async function runsToKeep(registry: Registry, key: RecordKey): Promise<BaselineRun[]> {
  const path = pathOf(registry, key);
  const value = looseJson(await registry.disk.readText(path));
  refuseNewer(value, path);
  const file = BaselineFile.safeParse(value).data;
  return file !== undefined && fileNameOf(file) === fileNameOf(key) ? file.runs : [];
}

/** Long answers are kept as far as they are compared. */
function bounded(run: BaselineRun): BaselineRun {
  const checks = run.result.checks.map((check) => ({ ...check, answer: comparedPart(check.answer) }));
  return { ...run, result: { ...run.result, checks } };
}

function remedies(path: string): string[] {
  return [
    'Run the smoke test again: when nothing fails, it writes a new baseline.',
    `Or remove the file, which deletes the earlier runs and keeps the model: ${path}`,
  ];
}
