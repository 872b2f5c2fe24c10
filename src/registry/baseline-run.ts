import * as z from 'zod';
import { Digest, digestOf } from '../core/digest.ts';
import { RuntimeIdentity } from '../runtimes/contract.ts';
import { compareWithBaseline, Regression } from '../smoke/regress.ts';
import { SmokeResult, type Suite } from '../smoke/schema.ts';

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
  if (bytesOf(now) !== bytesOf(before)) changes.push("the model's file is another one");
  else if (now.stored.entryDigest !== before.stored.entryDigest)
    changes.push("the model's template or parameters are others");
  if (now.runtime.version !== before.runtime.version)
    changes.push(`${now.runtime.kind} ${before.runtime.version} became ${now.runtime.version}`);
  if (now.suite.digest !== before.suite.digest) changes.push(`the suite ${now.suite.id} was edited`);
  if (now.toolVersion !== before.toolVersion)
    changes.push(`gemma-provision ${before.toolVersion} became ${now.toolVersion}`);
  return changes;
}

function bytesOf({ stored }: BaselineRun): string | undefined {
  return stored.layerDigest ?? stored.entryDigest;
}
