/** A pack as one file: an OCI image layout in a tar, which skopeo, oras and podman read too. */

import { canonicalJson, digestOf } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { parseBounded, parseDocument } from '../core/parse.ts';
import type { OutputKind } from '../disk/output-file.ts';
import { parseManifest, pickManifest } from '../sources/oci/artifact.ts';
import {
  type Descriptor,
  INDEX,
  Index,
  MANIFEST,
  type Manifest,
  MODEL_ARTIFACT,
  SIGNATURE,
} from '../sources/oci/manifest.ts';
import { type PackageContents, readPackage } from './contents.ts';
import type { ModelPackage, SmallBlob } from './model-package.ts';
import { LARGEST_PART } from './model-package.ts';
import { buildSignatureArtifact, signatureLayer } from './signature.ts';
import type { TarFile } from './tar.ts';
import { invalidBundle, type RandomAccess, readExactly, readTar, type TarEntry } from './tar.ts';

const LAYOUT = 'oci-layout';
const INDEX_FILE = 'index.json';
const LAYOUT_TEXT = '{"imageLayoutVersion":"1.0.0"}';
const REF_NAME = 'org.opencontainers.image.ref.name';

/** The files of a bundle, in their order: what is small comes first, so that reading what is in it is quick. */
export function bundleFiles(
  pack: ModelPackage,
  name: string,
  open: () => AsyncIterable<Uint8Array>,
  signature?: string,
): TarFile[] {
  const signed = signature === undefined ? undefined : buildSignatureArtifact(pack, signature);
  const small = new Map<string, Uint8Array>();
  for (const { digest, bytes } of [
    pack.manifest,
    ...pack.blobs,
    ...(signed === undefined ? [] : [signed.manifest, ...signed.blobs]),
  ])
    small.set(digest, bytes);
  const index = Buffer.from(canonicalJson(buildIndex(pack, name, signed?.manifest)), 'utf8');
  const whole = (path: string, bytes: Uint8Array): TarFile => ({
    name: path,
    size: bytes.length,
    bytes: () => [bytes],
  });
  return [
    whole(LAYOUT, Buffer.from(LAYOUT_TEXT, 'utf8')),
    whole(INDEX_FILE, index),
    ...[...small].sort(([a], [b]) => (a < b ? -1 : 1)).map(([digest, bytes]) => whole(blobPath(digest), bytes)),
    { name: blobPath(pack.gguf.digest), size: pack.gguf.size, bytes: open },
  ];
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function buildIndex({ manifest }: ModelPackage, name: string, signature: SmallBlob | undefined): Index {
  const entry = (blob: SmallBlob, artifactType: string) => ({
    mediaType: MANIFEST,
    digest: blob.digest,
    size: blob.bytes.length,
    artifactType,
  });
  return {
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: [
      { ...entry(manifest, MODEL_ARTIFACT), annotations: { [REF_NAME]: name } },
      ...(signature === undefined ? [] : [entry(signature, SIGNATURE)]),
    ],
  };
}

/** What is in a bundle, and where in the file its model is. */
export interface Bundle extends PackageContents {
  /** Text of the signature in it, which nobody has checked yet. */
  readonly signature?: string;
  readonly model: TarEntry;
}

/**
 * Reads a bundle: everything but the model's own bytes is checked against its digest, and nothing may be in it that its
 * manifest does not name. Throws `bad-bundle`, `bad-manifest`, `bad-lock-file`, `bad-suite`, `digest-mismatch`, `truncated-file`.
 */
export async function readBundle(file: RandomAccess): Promise<Bundle> {
  const entries = new Map((await readTar(file)).map((entry) => [entry.name, entry]));
  const layout = entries.get(LAYOUT);
  const index = entries.get(INDEX_FILE);
  if (layout === undefined || index === undefined) throw invalidBundle(file, 'it is not an OCI layout');
  const version: unknown = parseLayoutJson(file, await readSmallFile(file, layout));
  if (
    typeof version !== 'object' ||
    version === null ||
    !('imageLayoutVersion' in version) ||
    version.imageLayoutVersion !== '1.0.0'
  )
    throw invalidBundle(file, 'its layout has an unknown version');
  const document = { name: `${INDEX_FILE} in ${file.name}`, code: 'bad-bundle' } as const;
  const listed = parseDocument(Index, (await readSmallFile(file, index)).toString('utf8'), document);
  const reader = new BundleReader(file, entries);
  const main = pickManifest(listed, file.name);
  const manifest = parseManifest(await reader.blob(main), file.name);
  const signature = await readSignature(listed, main, reader, file);
  const digest = main.digest;
  const contents = await readPackage({ digest, manifest }, file.name, (blob) => reader.blob(blob));
  await reader.rest(manifest, contents.gguf);
  const model = reader.entry({ ...contents.gguf });
  return { ...contents, ...(signature !== undefined && { signature }), model };
}

/** What `bundle create` may replace without being forced to. */
export const BUNDLE_KIND: OutputKind = {
  name: 'a bundle',
  example: 'model.tar',
  async matches(file, size) {
    const tar: RandomAccess = {
      name: 'the file',
      size,
      read: async (buffer, position) => (await file.read(buffer, 0, buffer.length, position)).bytesRead,
    };
    try {
      const index = (await readTar(tar)).find(({ name }) => name === INDEX_FILE);
      if (index === undefined) return false;
      const listed = Index.safeParse(parseBounded((await readSmallFile(tar, index)).toString('utf8')));
      return listed.data?.manifests.some(({ artifactType }) => artifactType === MODEL_ARTIFACT) === true;
    } catch (error) {
      if (error instanceof ProvisionError || error instanceof SyntaxError) return false;
      throw error;
    }
  },
};

async function readSignature(
  index: Index,
  main: Descriptor,
  reader: BundleReader,
  file: RandomAccess,
): Promise<string | undefined> {
  const [listed, ...more] = index.manifests.filter(({ artifactType }) => artifactType === SIGNATURE);
  if (listed === undefined) return undefined;
  if (more.length > 0) throw invalidBundle(file, 'it has more than one signature');
  const manifest = parseManifest(await reader.blob(listed), file.name);
  const layer = signatureLayer(manifest, main.digest);
  if (layer === undefined) throw invalidBundle(file, 'its signature belongs to something else');
  await reader.blob(manifest.config);
  return (await reader.blob(layer)).toString('utf8');
}

class BundleReader {
  readonly #file: RandomAccess;
  readonly #entries: ReadonlyMap<string, TarEntry>;
  readonly #used = new Set<string>([LAYOUT, INDEX_FILE]);

  constructor(file: RandomAccess, entries: ReadonlyMap<string, TarEntry>) {
    this.#file = file;
    this.#entries = entries;
  }

  /** Where a blob is, if it is as long as its descriptor says. */
  entry({ digest, size }: { readonly digest: string; readonly size: number }): TarEntry {
    const path = blobPath(digest);
    const entry = this.#entries.get(path);
    if (entry === undefined) throw invalidBundle(this.#file, `${digest} is missing`);
    if (entry.size !== size) throw invalidBundle(this.#file, `${digest} has ${entry.size} bytes instead of ${size}`);
    this.#used.add(path);
    return entry;
  }

  async blob(descriptor: Pick<Descriptor, 'digest' | 'size'>): Promise<Buffer> {
    const bytes = await readSmallFile(this.#file, this.entry(descriptor));
    const got = digestOf(bytes);
    if (got === descriptor.digest) return bytes;
    throw digestMismatch(this.#file, descriptor.digest, got);
  }

  /** Blobs that the contents do not read are checked too; what nobody names must not be there. */
  async rest({ config, layers }: Manifest, gguf: { readonly digest: string; readonly size: number }): Promise<void> {
    for (const blob of [config, ...layers]) if (blob.digest !== gguf.digest) await this.blob(blob);
    this.entry(gguf);
    const stray = [...this.#entries.keys()].find((path) => !this.#used.has(path));
    if (stray !== undefined) throw invalidBundle(this.#file, `nothing in it refers to ${stray}`);
  }
}

async function readSmallFile(file: RandomAccess, { name, offset, size }: TarEntry): Promise<Buffer> {
  if (size > LARGEST_PART) throw invalidBundle(file, `${name} has ${size} bytes`);
  return readExactly(file, offset, size);
}

function parseLayoutJson(file: RandomAccess, bytes: Buffer): unknown {
  try {
    return parseBounded(bytes.toString('utf8'));
  } catch {
    throw invalidBundle(file, `${LAYOUT} is not JSON`);
  }
}

export function digestMismatch({ name }: Pick<RandomAccess, 'name'>, wanted: string, got: string): ProvisionError {
  return new ProvisionError(
    'digest-mismatch',
    `A file in ${name} has another digest than expected.\n  wanted ${wanted}\n  got    ${got}`,
    {
      suggestions: ['Copy the bundle again.'],
    },
  );
}

/** The bytes of the model in a bundle, in order. */
export async function* modelBytes(
  file: RandomAccess,
  { offset, size }: TarEntry,
  chunk = 4 * 1024 * 1024,
): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < size; ) {
    const bytes = await readExactly(file, offset + done, Math.min(chunk, size - done));
    done += bytes.length;
    yield bytes;
  }
}
