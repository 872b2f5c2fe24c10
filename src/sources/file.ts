import { join, resolve } from 'node:path';
import { ProvisionError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { formatBytes } from '../core/units.ts';
import type { DigestCache } from '../disk/digest-cache.ts';
import type { Disk, FileFacts } from '../disk/disk.ts';
import { diskError, sourceError } from '../disk/errors.ts';
import { requireDigest } from '../disk/hash.ts';
import { defineSource, type LocalFile, type ResolvedSource, type ResolveRequest, type Source } from './contract.ts';
import { pathOf, schemeOf } from './reference.ts';

export interface FileSourceOptions {
  readonly disk: Disk;
  readonly digests: DigestCache;
  /** Folder that relative paths count from; absolute. */
  readonly cwd: string;
}

/** A file on this machine: a path or `file:…`. A folder means the requested file inside it. */
export function fileSource(options: FileSourceOptions): Source {
  return defineSource({
    scheme: 'file',
    description: 'a GGUF file on this machine, or a folder that holds it',
    matches: (ref) => schemeOf(ref) === undefined || schemeOf(ref) === 'file',
    resolve: (request) => resolveFile(options, request),
    list: (ref) => listFolder(options, ref),
  });
}

async function resolveFile(options: FileSourceOptions, request: ResolveRequest): Promise<ResolvedSource> {
  request.signal.throwIfAborted();
  const given = resolve(options.cwd, pathOf(request.ref));
  const givenFacts = await factsOf(options.disk, given);
  const isFolder = givenFacts.isDirectory();
  const path = isFolder ? join(given, await pick(options.disk, given, request.fileName)) : given;
  const facts = isFolder ? await factsOf(options.disk, path) : givenFacts;
  request.signal.throwIfAborted();
  requireRegular(path, facts);
  requireSize(path, facts, request.expected?.sizeBytes);
  await requireReadable(options.disk, path);

  const known = await options.digests.find(path, facts);
  const claimed = request.expected?.digest;
  const file = { ref: request.ref, path, sizeBytes: Number(facts.size) };
  if (known !== undefined) requireDigest({ ...file, ...(claimed && { digest: claimed }) }, known);
  const digest = known ?? claimed;
  return { kind: 'file', ...file, ...(digest && { digest }) };
}

async function factsOf(disk: Disk, path: string): Promise<FileFacts> {
  try {
    return await disk.stat(path, { bigint: true });
  } catch (cause) {
    throw sourceError(path, cause);
  }
}

async function listFolder({ disk, cwd }: FileSourceOptions, ref: string): Promise<readonly LocalFile[] | undefined> {
  const folder = resolve(cwd, pathOf(ref));
  if (!(await factsOf(disk, folder)).isDirectory()) return undefined;
  const paths = modelsAmong(await namesIn(disk, folder)).map((name) => join(folder, name));
  // What cannot be looked at, as a broken link, fails where it is read, with its reason.
  const sizeOf = (path: string) =>
    factsOf(disk, path).then(
      ({ size }) => Number(size),
      () => 0,
    );
  return Promise.all(paths.map(async (path) => ({ ref: path, path, sizeBytes: await sizeOf(path) })));
}

function modelsAmong(names: readonly string[]): string[] {
  return names.filter((name) => name.toLowerCase().endsWith('.gguf')).sort();
}

/** The name of the wanted file as the folder spells it. */
async function pick(disk: Disk, folder: string, wanted: string | undefined): Promise<string> {
  const names = await namesIn(disk, folder);
  const models = modelsAmong(names);
  if (wanted === undefined) throw folderNotFile(folder, models);
  if (names.includes(wanted)) return wanted;
  const same = names.filter((name) => name.toLowerCase() === wanted.toLowerCase());
  if (same.length > 1)
    throw new ProvisionError('bad-usage', `${folder} contains more than one file like ${wanted}: ${same.join(', ')}.`, {
      suggestions: ['Pass the path of the file.'],
    });
  if (same[0] !== undefined) return same[0];
  throw new ProvisionError('source-not-found', `There is no ${wanted} in ${folder}.`, {
    suggestions: [...didYouMean(wanted, models), 'Pass the path of the file itself if it has another name.'],
  });
}

async function namesIn(disk: Disk, folder: string): Promise<string[]> {
  try {
    return await disk.readdir(folder);
  } catch (cause) {
    throw diskError('read', folder, cause);
  }
}

function folderNotFile(folder: string, models: readonly string[]): ProvisionError {
  const first = models[0];
  const suggestions = [
    first === undefined
      ? 'Pass a .gguf file, or a folder that contains one.'
      : `Pass a file, for example ${join(folder, first)}`,
  ];
  if (models.length > 1) suggestions.push(`It contains: ${models.slice(0, 20).join(', ')}.`);
  const message =
    first === undefined
      ? `The folder ${folder} contains no .gguf file.`
      : `${folder} is a folder, but no file in it is specified.`;
  return new ProvisionError('bad-usage', message, { suggestions });
}

function requireRegular(path: string, facts: FileFacts): void {
  if (facts.isFile()) return;
  const what = facts.isDirectory() ? 'a folder' : 'a device, pipe or socket';
  throw new ProvisionError('bad-usage', `${path} is ${what}, not a regular file.`, {
    suggestions: ['Write the bytes into a file first: they are read more than once, and their size must be known.'],
  });
}

function requireSize(path: string, facts: FileFacts, expected: number | undefined): void {
  const size = Number(facts.size);
  const again = ['Download the file again, and check that the disk was not full.'];
  if (size === 0) throw new ProvisionError('truncated-file', `${path} is empty (0 bytes).`, { suggestions: again });
  if (expected === undefined || size === expected) return;
  const sizes = `it has ${size} bytes (${formatBytes(size)}), expected ${expected} (${formatBytes(expected)})`;
  if (size < expected)
    throw new ProvisionError('truncated-file', `${path} is truncated: ${sizes}.`, { suggestions: again });
  throw new ProvisionError('digest-mismatch', `${path} does not have the expected size: ${sizes}.`, {
    suggestions: ['Check that the path names the quant that you chose.'],
  });
}

/** Opening is the only honest test: permission bits say nothing about ACLs, network mounts or root. */
async function requireReadable(disk: Disk, path: string): Promise<void> {
  try {
    const handle = await disk.open(path, 'r');
    await handle.close();
  } catch (cause) {
    throw diskError('read', path, cause);
  }
}
