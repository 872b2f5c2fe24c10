import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import semver from 'semver';
import * as z from 'zod';
import { ProvisionError } from '../../core/errors.ts';
import type { TextFiles } from '../../disk/disk.ts';
import { engineMissing } from './engine-errors.ts';

/** Versions that this code was written for: earlier ones do not have calls that the worker uses, a later major may change them. */
const SUPPORTED = { range: '>=3.22.0 <4.0.0', install: 'npm install node-llama-cpp@3' } as const;

export interface EngineFiles extends Pick<TextFiles, 'readText'> {
  /** URL of the package's main file, as `import.meta.resolve` of our own package finds it; throws when there is none. */
  resolve(packageName: string): string;
}

const Package = z.object({ name: z.literal('node-llama-cpp'), version: z.string() });
const Release = z.object({ release: z.string() });

/**
 * The engine's version without loading native code: `3.22.1+llama.cpp-v0.5.0`, or without the second part where the
 * package does not show it. Throws `runtime-missing`, `runtime-too-old`, `runtime-refused`.
 */
export async function engineVersion(files: EngineFiles): Promise<string> {
  const root = packageRoot(files);
  const document = Package.safeParse(await readJson(files, join(root, 'package.json')));
  if (!document.success) throw engineMissing(document.error);
  const { version } = document.data;
  requireSupported(version);
  const release = Release.safeParse(await readJson(files, join(root, 'llama', 'binariesGithubRelease.json')));
  if (!release.success) return version;
  return `${version}+llama.cpp-${release.data.release.replace(/[^0-9A-Za-z.-]+/g, '-')}`;
}

function packageRoot(files: EngineFiles): string {
  try {
    // The main file is dist/index.js.
    return dirname(dirname(fileURLToPath(files.resolve('node-llama-cpp'))));
  } catch (cause) {
    throw engineMissing(cause);
  }
}

function requireSupported(version: string): void {
  if (semver.satisfies(version, SUPPORTED.range)) return;
  const older = semver.valid(version) === null || semver.lt(version, '3.22.0');
  throw new ProvisionError(
    older ? 'runtime-too-old' : 'runtime-refused',
    `node-llama-cpp ${version} is installed, this version of gemma-provision needs ${SUPPORTED.range}.`,
    { suggestions: [`Install a supported version: ${SUPPORTED.install}`] },
  );
}

async function readJson(files: EngineFiles, path: string): Promise<unknown> {
  try {
    return JSON.parse((await files.readText(path)) ?? 'null');
  } catch {
    return undefined;
  }
}
