/** What a pack holds, from its manifest on; nothing is believed that was not held against a digest. */
import type { Digest } from '../core/digest.ts';
import { digestOf } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { parseDocument } from '../core/parse.ts';
import type { ModelSpec } from '../modelfile/schema.ts';
import { Suite } from '../smoke/schema.ts';
import { fileNameOf, pickGguf } from '../sources/oci/artifact.ts';
import { FILE_PATH } from '../sources/oci/media-types.ts';
import type { Descriptor, Manifest } from '../sources/oci/schema.ts';
import type { SignedFile } from '../trust/index.ts';
import { type LockFile, parseLock } from './lock-file.ts';
import { LARGEST_PART, PARTS, type PartName } from './parts.ts';

export interface PackContents {
  /** Of the manifest: it names the pack with everything in it. */
  readonly digest: Digest;
  readonly lock: LockFile;
  /** What the model is created with, put together from lock, template and licence. */
  readonly spec: ModelSpec;
  readonly licence: string;
  readonly suite?: Suite;
  readonly modelfile?: string;
  readonly gguf: { readonly fileName: string; readonly digest: Digest; readonly size: number };
  /** Every file by its path in the pack: what a signature is over. */
  readonly files: readonly SignedFile[];
}

/** Reads a blob of the given size; must hold it against its digest. */
export type ReadBlob = (blob: Descriptor) => Promise<Uint8Array>;

/** True for an artifact that our `publish` made; others have a model and none of the rest. */
export function isPack({ layers }: Pick<Manifest, 'layers'>): boolean {
  return layers.some(({ annotations }) => annotations?.[FILE_PATH] === PARTS.lock.path);
}

/**
 * Reads everything but the model. The parts must be what the lock in it says: otherwise somebody put them together.
 * `name`: how messages call the pack. Throws `bad-bundle`, `bad-lock-file`, `bad-suite`, and what `read` throws.
 */
export async function readContents(
  { digest, manifest }: { readonly digest: Digest; readonly manifest: Manifest },
  name: string,
  read: ReadBlob,
): Promise<PackContents> {
  const files = filesOf(manifest, name);
  const textOf = async (part: PartName) => {
    const layer = manifest.layers.find(({ annotations }) => annotations?.[FILE_PATH] === PARTS[part].path);
    if (layer === undefined) return undefined;
    if (layer.size > LARGEST_PART) throw bad(name, `${PARTS[part].path} is said to have ${layer.size} bytes`);
    return Buffer.from(await read(layer)).toString('utf8');
  };
  const [lockText, template, licence, suiteText, modelfile] = [
    await textOf('lock'),
    await textOf('template'),
    await textOf('licence'),
    await textOf('suite'),
    await textOf('modelfile'),
  ];
  if (lockText === undefined || template === undefined || licence === undefined)
    throw bad(name, 'lock file, template or licence is missing');
  const lock = parseLock(lockText, `${PARTS.lock.path} in ${name}`);
  const layer = pickGguf(manifest, name);
  const gguf = { fileName: fileNameOf(layer) ?? 'model.gguf', digest: layer.digest, size: layer.size };
  requireSame(name, 'the model', lock.source.digest, gguf.digest);
  requireSame(name, PARTS.template.path, lock.template.digest, digestOf(template));
  requireSame(name, PARTS.licence.path, lock.licence.textDigest, digestOf(licence));
  const suite = suiteOf(lock, suiteText, name);
  return {
    digest,
    lock,
    spec: specOf(lock, template, licence),
    licence,
    ...(suite && { suite }),
    ...(modelfile !== undefined && { modelfile }),
    gguf,
    files,
  };
}

/** Every path once, each a plain name. */
function filesOf({ layers }: Manifest, name: string): SignedFile[] {
  const files = layers.map(({ annotations, digest }) => ({
    name: annotations?.[FILE_PATH] ?? '',
    digest: digest,
  }));
  if (new Set(files.map((file) => file.name)).size !== files.length)
    throw bad(name, 'a file in it has no name, or another’s');
  const strange = files.find((file) => !/^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,200}$/.test(file.name));
  if (strange !== undefined) throw bad(name, `${JSON.stringify(strange.name)} is no plain file name`);
  return files;
}

function suiteOf({ suite: locked }: LockFile, text: string | undefined, name: string): Suite | undefined {
  if ((locked === undefined) !== (text === undefined))
    throw bad(name, 'the lock file and the smoke suite do not belong together');
  if (text === undefined || locked === undefined) return undefined;
  requireSame(name, PARTS.suite.path, locked.digest, digestOf(text));
  return parseDocument(Suite, text, { name: `${PARTS.suite.path} in ${name}`, code: 'bad-suite' });
}

function specOf(
  { template: named, profile, parameters, stop, system }: LockFile,
  template: string,
  licence: string,
): ModelSpec {
  return {
    templateName: named.name,
    template,
    templateDigest: digestOf(template),
    profile,
    parameters: { ...parameters, stop },
    license: licence,
    ...(system !== undefined && { system }),
  };
}

function requireSame(name: string, what: string, wanted: string, got: string): void {
  if (wanted === got) return;
  throw bad(name, `${what} is not the one that its lock file names\n  wanted ${wanted}\n  got    ${got}`);
}

function bad(name: string, why: string): ProvisionError {
  return new ProvisionError('bad-bundle', `${name} cannot be used: ${why}.`, {
    suggestions: ['Get it again from whoever made it, or make it anew.'],
  });
}
