import { homedir, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { resolveModel } from '../catalog/lookup.ts';
import { ProvisionError } from '../core/errors.ts';
import { realDisk } from '../disk/disk.ts';
import type { HashFile } from '../disk/hash.ts';
import { createHttp } from '../net/client.ts';
import { askText } from '../net/text.ts';
import { AppContext, type AppOptions } from '../provision/context.ts';
import { resolvePaths } from '../provision/paths.ts';
import { hostProfile } from '../provision/plan/host.ts';
import { STAGING_PREFIX } from '../provision/plan/plan.ts';
import { DEFAULT_MODEL } from '../provision/plan/resolve-request.ts';
import { doctorEmbedded } from '../runtimes/embedded/doctor.ts';
import { parseHost, plainHttpWarning, requireTls } from '../runtimes/ollama/host.ts';
import { ollamaRuntime } from '../runtimes/ollama/runtime.ts';
import { type RuntimeFlags, requestedRuntime } from '../runtimes/registry.ts';
import type { DoctorEffects, ServerEffects, Wanted } from './effects.ts';
import { runDoctor } from './run.ts';
import type { DoctorData } from './schema.ts';
import { type Subject, subjectOf } from './subject.ts';

export interface DoctorFlags extends RuntimeFlags {
  readonly catalog?: string[] | undefined;
  /** Flags as they were typed: what the environment set is in `host` and `runtime` too. */
  readonly typed: Readonly<Record<string, string | undefined>>;
}

/** Shorter than in an install: a server that takes longer to report its version is a finding. Milliseconds. */
const PATIENCE = { connectMs: 2_500, answerMs: 3_000 };

/** Checks everything that an install depends on. Throws for a model that the catalog does not know. */
export async function doctorOf(
  model: string | undefined,
  flags: DoctorFlags,
  app: AppContext,
  fault?: unknown,
): Promise<DoctorData> {
  const { signal } = app.options;
  const subject = () => subjectFor(model, app);
  if (model !== undefined) await subject().catch(rethrowRequestError);
  const report = await runDoctor(await effectsOf(flags, app, subject, fault), signal);
  return model === undefined ? report : { ...report, model };
}

/** The same where the settings could not be read (`fault`), which ends every other command at its start. */
export async function doctorDespite(
  fault: unknown,
  model: string | undefined,
  flags: DoctorFlags,
  options: AppOptions,
): Promise<DoctorData> {
  const app = new AppContext(options, resolvePaths(process.env), {}, process.env);
  try {
    return await doctorOf(model, flags, app, fault);
  } finally {
    await app.close();
  }
}

/** A wrong request is an error; a wrong catalog is a finding. */
const REQUEST_ERRORS: readonly string[] = ['model-not-found', 'quant-not-found'];

function rethrowRequestError(error: unknown): void {
  if (!(error instanceof ProvisionError) || REQUEST_ERRORS.includes(error.code)) throw error;
}

async function subjectFor(typed: string | undefined, app: AppContext): Promise<Subject> {
  const { family, model, quant } = resolveModel(await app.catalog(), typed ?? DEFAULT_MODEL);
  const subject = subjectOf(family, model, quant, typed !== undefined);
  if (subject !== undefined) return subject;
  throw new ProvisionError('bad-catalog', `The catalog has no size for ${model.id}.`, {
    suggestions: ['Give its quants fileBytes or tensorBytes.'],
  });
}

async function effectsOf(
  flags: DoctorFlags,
  app: AppContext,
  subject: () => Promise<Subject>,
  fault: unknown,
): Promise<DoctorEffects> {
  const { paths, settings, env, options } = app;
  const uid = process.getuid?.();
  const context = await app.runtimeContext();
  const { http } = createHttp({ env: {} });
  return {
    platform: process.platform,
    nodeVersion: process.versions.node,
    ...(uid !== undefined && { uid }),
    home: homedir(),
    env,
    paths,
    ownFile: join(options.root, 'package.json'),
    now: () => Date.now(),
    disk: realDisk,
    get: (url, { headers = {}, signal }) => askText(http, { method: 'GET', url, headers, kind: 'diagnosis', signal }),
    addresses: () => Object.values(networkInterfaces()).flatMap((each) => each ?? []),
    server: serverOf(flags, app, context.hash),
    embedded: doctorEmbedded(context),
    registry: await app.registry(),
    configuration: {
      flags: flags.typed,
      env,
      file: settings,
      filePath: join(paths.config, 'config.json'),
      ...(fault !== undefined && { fault }),
    },
    wanted: wantedBy(flags, app),
    stagingPrefix: STAGING_PREFIX,
    catalog: () => app.catalog(),
    subject,
    profile: () => hostProfile({}, app.hostContext()),
  };
}

/** As when a runtime is opened: a host on the command line rules out the embedded runtime. */
function wantedBy({ host, runtime }: DoctorFlags, { settings }: AppContext): Wanted {
  const requested = requestedRuntime({ runtime }, settings);
  if (requested === undefined) return { usesServer: true, serverOnly: host !== undefined };
  const { isServer } = requested.capabilities;
  return { usesServer: isServer, serverOnly: isServer };
}

function serverOf(flags: DoctorFlags, app: AppContext, hash: HashFile): ServerEffects | ProvisionError {
  try {
    const host = parseHost(flags.host ?? app.settings.host ?? app.env.OLLAMA_HOST);
    if (app.requiresTls) requireTls(host);
    const files = { open: (path: string) => realDisk.open(path, 'r'), hash };
    const runtime = ollamaRuntime({ host, files, now: () => performance.now(), timeouts: PATIENCE });
    const { url, headers, loopback, warnings } = host;
    const plain = plainHttpWarning(host);
    if (plain !== undefined) app.warnOnce(plain);
    const version = async (signal: AbortSignal) => (await runtime.identify(signal)).version;
    return { endpoint: url, headers, loopback, warnings, version };
  } catch (error) {
    if (error instanceof ProvisionError) return error;
    throw error;
  }
}
