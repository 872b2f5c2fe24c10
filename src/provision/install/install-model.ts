/** The use case behind `install`: plan, licence, transaction. */

import { defined } from '../../core/defined.ts';
import type { Digest } from '../../core/digest.ts';
import type { Work } from '../../core/progress.ts';
import type { RuntimeFlags } from '../../runtimes/registry.ts';
import type { Suite } from '../../smoke/schema.ts';
import { findSource } from '../../sources/index.ts';
import type { AppContext } from '../context.ts';
import type { InstallPlan, InstallRequest } from '../plan/contract.ts';
import type { HostFlags } from '../plan/host.ts';
import { type Installer, openInstaller } from './installer.ts';
import { acceptLicence, type Consent } from './licence.ts';
import type { InstallReport } from './schema.ts';
import { openSuite } from './smoke.ts';

export interface InstallFlags extends HostFlags, RuntimeFlags {
  /** A suite of the user's own. */
  readonly suite?: string | undefined;
  readonly 'no-smoke'?: boolean | undefined;
  readonly 'no-keep'?: boolean | undefined;
  readonly 'dry-run'?: boolean | undefined;
}

/** An earlier decision that an install follows: a lock file, or what a published model comes with. */
export interface Pinned {
  /** What the user asked for, completed from the pinned document. */
  readonly request: InstallRequest;
  /** Digest of the pinned document, for the record. */
  readonly digest: Digest;
  /** Its own smoke suite. */
  readonly suite?: Suite;
  /** File of the trusted key that signed it. */
  readonly signedBy?: string;
  /** Called once it is installed. */
  accept?(): Promise<void>;
  /** The plan with everything pinned. Throws `lock-differs` where that is not possible, before anything is changed or fetched. */
  apply(planned: InstallPlan, suite: () => Promise<Suite | undefined>): Work<InstallPlan>;
}

/** Plans a request and carries it out, or only reports the plan with `--dry-run`. Asks for the licence before any change. */
export async function* installModel(
  app: AppContext,
  request: InstallRequest,
  flags: InstallFlags,
  consent: Consent,
  pinned?: Pinned,
): Work<InstallReport> {
  // A mistyped reference is reported as such, even where the server is not reachable.
  if (request.from !== undefined) findSource((await app.bytes()).sources, request.from);
  return yield* installWith(app, await openInstaller(app, flags), request, flags, consent, pinned);
}

/** The same in a runtime that is open already. */
export async function* installWith(
  app: AppContext,
  installer: Installer,
  request: InstallRequest,
  flags: InstallFlags,
  consent: Consent,
  pinned?: Pinned,
): Work<InstallReport> {
  const planned = await installer.plan(request);
  const openedSuite = async () => {
    if (flags['no-smoke'] === true) return undefined;
    const own = flags.suite === undefined ? pinned?.suite : undefined;
    return own ?? openSuite(app, flags.suite ?? planned.model.smokeSuite);
  };
  const plan = pinned === undefined ? planned : yield* pinned.apply(planned, openedSuite);
  const signed = defined({ signedBy: pinned?.signedBy });
  if (flags['dry-run'] === true) return { ...installer.dryRun(plan, request.force), ...signed };
  await acceptLicence(app, plan.family.licence, consent);
  const options = { force: request.force, keep: flags['no-keep'] !== true };
  const report = yield* installer.install(plan, {
    ...options,
    ...defined({ suite: await openedSuite(), lock: pinned?.digest }),
  });
  await pinned?.accept?.();
  return { ...report, ...signed };
}
