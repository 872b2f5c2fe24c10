import { verify } from 'node:crypto';
import { ProvisionError } from '../core/errors.ts';
import { type Document, parseDocument } from '../core/parse.ts';
import { formatBytes, MIB } from '../core/units.ts';
import type { PublicKey, SignedFile, SignedManifest } from './contract.ts';
import { Bundle, Statement } from './schema.ts';
import { preAuthEncoding, rootDigest } from './sign.ts';

/** 100,000 files of 100 letters each take about 30 MiB. */
const LONGEST = 64 * MIB;
const SHOWN = 5;

export interface Against {
  /** How the user knows the signature: its path. */
  readonly name: string;
  /** Any one of them will do. */
  readonly keys: readonly PublicKey[];
}

/**
 * Checks the signature of a bundle and returns what it says of which files. Nothing of the payload is read before the
 * signature holds. Throws `untrusted`.
 */
export function verifySignature(text: string, { name, keys }: Against): SignedManifest {
  if (text.length > LONGEST)
    throw untrusted(`the signature ${name} is ${formatBytes(text.length)}, too large for a signature`);
  const { verificationMaterial, dsseEnvelope } = parseDocument(Bundle, text, documentOf(`the signature ${name}`));
  const payload = Buffer.from(dsseEnvelope.payload, 'base64');
  const signature = Buffer.from(dsseEnvelope.signatures[0]?.sig ?? '', 'base64');
  const key = keyFor(verificationMaterial.publicKey.hint ?? '', keys, (candidate) =>
    verify(candidate.hash, preAuthEncoding(payload), candidate.object, signature),
  );
  if (key === undefined) throw notByOurs(name, keys, verificationMaterial.publicKey.hint ?? '');
  return manifestOf(payload.toString('utf8'), name, key);
}

/**
 * Compares files of this machine with what was signed: every one of them, none missing, none besides (but those that the
 * signer leaves out, by path or by a folder above it). Throws `untrusted` that names what differs.
 */
export function matchFiles(
  { files: signed, ignored }: SignedManifest,
  found: readonly SignedFile[],
  { name }: { readonly name: string },
): void {
  const left = new Map(found.map((file) => [file.name, file.digest]));
  const problems: string[] = [];
  for (const { name: path, digest } of signed) {
    const here = left.get(path);
    const what = path === '.' ? 'it' : path;
    left.delete(path);
    if (here === undefined) problems.push(`${what} is missing`);
    else if (here !== digest) problems.push(`${what} is ${here}, but ${digest} was signed`);
  }
  for (const path of left.keys()) {
    if (!ignored.some((each) => path === each || path.startsWith(`${each}/`))) problems.push(`${path} was not signed`);
  }
  if (problems.length === 0) return;
  const shown = problems.slice(0, SHOWN);
  if (problems.length > SHOWN) shown.push(`and ${problems.length - SHOWN} more`);
  throw untrusted(`${name} does not match its signature: ${shown.join('; ')}`);
}

function documentOf(name: string): Document {
  return { name, code: 'untrusted' };
}

/** The key that the bundle names; a bundle that names none may be by any. A wrong hint proves nothing, so it only narrows the choice. */
function keyFor(hint: string, keys: readonly PublicKey[], holds: (key: PublicKey) => boolean): PublicKey | undefined {
  return keys.filter((key) => hint === '' || key.hint === hint).find(holds);
}

function notByOurs(name: string, keys: readonly PublicKey[], hint: string): ProvisionError {
  const trusted = keys.map((key) => key.name).join(', ');
  const named = keys.find((key) => key.hint === hint);
  if (named !== undefined) {
    return untrusted(
      `the signature ${name} is not valid: it names the key ${named.name}, but that key does not verify it`,
    );
  }
  const other = hint === '' ? '' : ` (it names the key ${hint.slice(0, 16)}…)`;
  return untrusted(`the signature ${name} was not made by ${trusted || 'a trusted key'}${other}`);
}

function manifestOf(payload: string, name: string, key: PublicKey): SignedManifest {
  const statement = parseDocument(Statement, payload, documentOf(`the signed statement of ${name}`));
  const { serialization, resources } = statement.predicate;
  const [subject] = statement.subject;
  if (subject === undefined) throw new TypeError('the schema asks for a subject');
  if (new Set(resources.map((resource) => resource.name)).size !== resources.length) {
    throw untrusted(`the signature ${name} lists a file twice`);
  }
  const root = rootDigest(resources.map(({ digest }) => digest));
  if (root !== subject.digest.sha256) {
    throw untrusted(`the signature ${name} contradicts itself: its files result in ${root}, which is not its subject`);
  }
  return {
    subject: subject.name,
    files: resources.map((resource) => ({ name: resource.name, digest: `sha256:${resource.digest}` })),
    key,
    ignored: serialization.ignore_paths ?? [],
  };
}

function untrusted(message: string): ProvisionError {
  return new ProvisionError('untrusted', message, {
    suggestions: ['Get the file and its signature again from their publisher, and check which key is theirs.'],
  });
}
