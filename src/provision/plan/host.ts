import { cpus, hostname, release, totalmem } from 'node:os';
import * as z from 'zod';
import { errnoOf, ProvisionError } from '../../core/errors.ts';
import { realDisk } from '../../disk/disk.ts';
import { diskError } from '../../disk/errors.ts';
import { jsonKind, requireOutput } from '../../disk/output-file.ts';
import { parseProfile } from '../../hardware/saved.ts';
import { HostProfile } from '../../hardware/schema.ts';
import type { Paths } from '../paths.ts';

export const HardwareData = z.strictObject({ profile: HostProfile });
export type HardwareData = z.infer<typeof HardwareData>;

export interface HostFlags {
  readonly profile?: string | undefined;
  readonly 'what-if'?: string | undefined;
}

export interface HostContext {
  readonly paths: Paths;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The models folder of an Ollama on this machine, as far as it can be known from here. */
  models(): Promise<string>;
  readonly signal: AbortSignal;
}

/** The profile that decisions use: a saved one or this host's, with other sizes if the user asks what if. */
export async function hostProfile(flags: HostFlags, context: HostContext): Promise<HostProfile> {
  const profile = flags.profile === undefined ? await probe(context) : await readProfile(flags.profile);
  if (flags['what-if'] === undefined) return profile;
  const { applyWhatIf, parseWhatIf } = await import('../../hardware/what-if.ts');
  return applyWhatIf(profile, parseWhatIf(flags['what-if']));
}

async function readProfile(file: string): Promise<HostProfile> {
  let text: string;
  try {
    text = await realDisk.readFile(file, 'utf8');
  } catch (cause) {
    const suggestions = ['Create one with: gemma-provision hardware --save FILE'];
    if (errnoOf(cause) !== 'ENOENT') throw diskError('read', file, cause, { otherwise: suggestions });
    throw new ProvisionError('file-not-found', `There is no host profile ${file}.`, { cause, suggestions });
  }
  return parseProfile(text, file);
}

async function probe({ paths, env, models, signal }: HostContext): Promise<HostProfile> {
  signal.throwIfAborted();
  const [{ probeHost }, { hardwareProbes }] = await Promise.all([
    import('../../hardware/probe-host.ts'),
    import('../../hardware/system.ts'),
  ]);
  const folders = [
    { purpose: 'models', path: await models() },
    { purpose: 'cache', path: paths.cache },
    { purpose: 'data', path: paths.data },
  ] as const;
  const processors = cpus();
  return probeHost(await hardwareProbes(), {
    platform: process.platform,
    architecture: process.arch,
    hostName: hostname(),
    env,
    totalMemory: totalmem(),
    availableMemory: process.availableMemory(),
    cpus: { model: processors[0]?.model ?? '', count: processors.length },
    release: release(),
    folders,
  });
}

const PROFILE = jsonKind('a host profile', 'profile.json', ['schemaVersion', 'cpu', 'memory', 'gpus', 'disks']);

/** Throws `bad-usage` where the file is another one or its folder does not exist. */
export async function saveProfile(file: string, profile: HostProfile, force: boolean): Promise<void> {
  const path = await requireOutput(realDisk, { typed: file, flag: '--save', kind: PROFILE, force });
  await realDisk.replaceOutput(path, `${JSON.stringify(profile, null, 2)}\n`);
}
