/** Reads the contents of a model package, starting from its manifest. Nothing is used before its digest was checked. */
import { type Digest, digestOf } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { parseDocument } from '../core/parse.ts';
import type { ModelSpec } from '../modelfile/schema.ts';
import { Suite } from '../smoke/schema.ts';
import { fileNameOf, openArtifact, pickGguf } from '../sources/oci/artifact.ts';
import { manifestOf, openRepository } from '../sources/oci/client.ts';
import type { Descriptor, Manifest } from '../sources/oci/manifest.ts';
import { FILE_PATH } from '../sources/oci/manifest.ts';
import { formatOciRef, parseOciRef } from '../sources/oci/reference.ts';
import type { OciOptions } from '../sources/oci/session.ts';
import type { SignedFile } from '../trust/index.ts';
import { type LockFile, parseLock } from './lock-file.ts';
import { LARGEST_PART, PARTS, type PartName } from './model-package.ts';
import { readSignatures } from './signature.ts';

export interface PackageContents {
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
export function isModelPackage({ layers }: Pick<Manifest, 'layers'>): boolean {
  return layers.some(({ annotations }) => annotations?.[FILE_PATH] === PARTS.lock.path);
}

/**
 * Reads everything but the model. The parts must be what the lock in it says: otherwise somebody put them together.
 * `name`: how messages call the pack. Throws `bad-bundle`, `bad-lock-file`, `bad-suite`, and what `read` throws.
 */
export async function readPackage(
  { digest, manifest }: { readonly digest: Digest; readonly manifest: Manifest },
  name: string,
  read: ReadBlob,
): Promise<PackageContents> {
  const files = listFiles(manifest, name);
  const textOf = async (part: PartName) => {
    const layer = manifest.layers.find(({ annotations }) => annotations?.[FILE_PATH] === PARTS[part].path);
    if (layer === undefined) return undefined;
    if (layer.size > LARGEST_PART)
      throw invalidPackage(name, `${PARTS[part].path} is said to have ${layer.size} bytes`);
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
    throw invalidPackage(name, 'lock file, template or licence is missing');
  const lock = parseLock(lockText, `${PARTS.lock.path} in ${name}`);
  const layer = pickGguf(manifest, name);
  const gguf = { fileName: fileNameOf(layer) ?? 'model.gguf', digest: layer.digest, size: layer.size };
  requireSame(name, 'the model', lock.source.digest, gguf.digest);
  requireSame(name, PARTS.template.path, lock.template.digest, digestOf(template));
  requireSame(name, PARTS.licence.path, lock.licence.textDigest, digestOf(licence));
  const suite = parseSuite(lock, suiteText, name);
  return {
    digest,
    lock,
    spec: modelSpecFromLock(lock, template, licence),
    licence,
    ...(suite && { suite }),
    ...(modelfile !== undefined && { modelfile }),
    gguf,
    files,
  };
}

/** Every path once, each a plain name. */
function listFiles({ layers }: Manifest, name: string): SignedFile[] {
  const files = layers.map(({ annotations, digest }) => ({
    name: annotations?.[FILE_PATH] ?? '',
    digest: digest,
  }));
  if (new Set(files.map((file) => file.name)).size !== files.length)
    throw invalidPackage(name, 'a file in it has no name, or the name of another');
  const strange = files.find((file) => !/^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,200}$/.test(file.name));
  if (strange !== undefined) throw invalidPackage(name, `${JSON.stringify(strange.name)} is not a plain file name`);
  return files;
}

function parseSuite({ suite: locked }: LockFile, text: string | undefined, name: string): Suite | undefined {
  if ((locked === undefined) !== (text === undefined))
    throw invalidPackage(name, 'the lock file and the smoke suite do not belong together');
  if (text === undefined || locked === undefined) return undefined;
  requireSame(name, PARTS.suite.path, locked.digest, digestOf(text));
  return parseDocument(Suite, text, { name: `${PARTS.suite.path} in ${name}`, code: 'bad-suite' });
}

function modelSpecFromLock(
  { template: named, profile, parameters, stop, system }: LockFile,
  template: string,
  licence: string,
): ModelSpec {
  return {
    templateName: named.name,
    template,
    templateDigest: digestOf(template),
    ...(named.builtIn !== undefined && { builtIn: named.builtIn }),
    profile,
    parameters: { ...parameters, stop },
    license: licence,
    ...(system !== undefined && { system }),
  };
}

function requireSame(name: string, what: string, wanted: string, got: string): void {
  if (wanted === got) return;
  throw invalidPackage(name, `${what} is not the one that its lock file names\n  wanted ${wanted}\n  got    ${got}`);
}

function invalidPackage(name: string, why: string): ProvisionError {
  return new ProvisionError('bad-bundle', `${name} cannot be used: ${why}.`, {
    suggestions: ['Get it again from its publisher, or create it again.'],
  });
}

/** A published model, without the model's own bytes. */
export interface PublishedPackage {
  readonly contents: PackageContents;
  /** Texts of its signatures, which nobody has verified. Throws what the registry and the network throw. */
  signatures(): Promise<string[]>;
}

/**
 * Reads lock file, template, licence and suite of a published model; undefined for an artifact of another writer. Throws as
 * `readContents`, and what the registry and the network throw.
 */
export async function openPublishedPackage(
  options: OciOptions,
  ref: string,
  signal: AbortSignal,
): Promise<PublishedPackage | undefined> {
  const parsed = parseOciRef(ref);
  const repository = openRepository(options, parsed);
  const artifact = await openArtifact(repository, await manifestOf(repository, parsed, signal), signal);
  if (!isModelPackage(artifact.manifest)) return undefined;
  const read: ReadBlob = (blob) => repository.blob(blob, LARGEST_PART, signal);
  const contents = await readPackage(artifact, formatOciRef(parsed), read);
  return { contents, signatures: () => readSignatures(repository, artifact.digest, signal) };
}
