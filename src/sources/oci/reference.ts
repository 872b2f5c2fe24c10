import { isIP } from 'node:net';
import { Digest } from '../../core/digest.ts';
import { ProvisionError } from '../../core/errors.ts';
import { restOf } from '../reference.ts';

/** `oci:host[:port]/repo[:tag|@sha256:…][#file]` in its parts. */
export interface OciRef {
  /** With its port, in lower case: `ghcr.io`, `127.0.0.1:5000`, `[::1]:5000`. */
  readonly host: string;
  readonly repository: string;
  /** Absent where a digest is given. */
  readonly tag?: string;
  readonly digest?: Digest;
  /** Which file, for an artifact with several models. */
  readonly file?: string;
}

const PART = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]{1,253})(?::(\d{1,5}))?$/;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const LONGEST_REPOSITORY = 255;
/** A name as a publisher gives one to a file: no folder, nothing that a terminal or a URL takes for something else. */
const FILE = /^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,200}$/;

/** Reads a reference; `oci://…` is taken too, and the tag is `latest` unless given. Throws `bad-usage`. */
export function parseOciRef(ref: string): OciRef {
  const whole = restOf(ref).replace(/^\/\//, '');
  if (whole.length > 1024) throw wrongForm('The reference', 'it is longer than 1024 characters');
  // The text before an @ may be a password, unless a digest follows.
  if (/^[^/]*@/.test(whole)) throw wrongForm('The reference', 'it must not contain a user or a password');
  const [rest = '', file, ...more] = whole.split('#');
  if (more.length > 0 || (file !== undefined && !isFileName(file)))
    throw wrongForm(ref, 'the part after # is not a file name');
  const slash = rest.indexOf('/');
  const host = rest.slice(0, Math.max(slash, 0)).toLowerCase();
  if (!isHost(host))
    throw wrongForm(ref, 'it does not begin with the name of a registry, such as ghcr.io/ or localhost:5000/');
  const named = splitVersion(ref, rest.slice(slash + 1));
  const repository =
    host === 'docker.io' && !named.repository.includes('/') ? `library/${named.repository}` : named.repository;
  if (!isRepository(repository)) throw wrongForm(ref, `${JSON.stringify(repository)} is not the name of a repository`);
  return { ...named, host, repository, ...(file !== undefined && { file }) };
}

/** The one spelling of a reference. */
export function formatOciRef({ host, repository, tag, digest, file }: OciRef): string {
  const version = digest === undefined ? `:${tag ?? 'latest'}` : `@${digest}`;
  return `oci:${host}/${repository}${version}${file === undefined ? '' : `#${file}`}`;
}

/** The part of a reference that names one manifest at its registry. */
export function versionOf({ tag, digest }: OciRef): string {
  return digest ?? tag ?? 'latest';
}

/** True for a plain file name without a folder. */
export function isFileName(name: string): boolean {
  return FILE.test(name);
}

function splitVersion(ref: string, rest: string): { repository: string; tag?: string; digest?: Digest } {
  const at = rest.indexOf('@');
  const before = at < 0 ? rest : rest.slice(0, at);
  const colon = before.indexOf(':');
  const repository = colon < 0 ? before : before.slice(0, colon);
  const tag = colon < 0 ? undefined : before.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) throw wrongForm(ref, `${JSON.stringify(tag)} is not a tag`);
  if (at < 0) return { repository, tag: tag ?? 'latest' };
  const digest = Digest.safeParse(rest.slice(at + 1));
  if (!digest.success) throw wrongForm(ref, 'the part after @ is not a digest: sha256: and 64 lower-case hex digits');
  return { repository, digest: digest.data };
}

function isRepository(name: string): boolean {
  return name.length <= LONGEST_REPOSITORY && name.split('/').every((part) => PART.test(part));
}

function isHost(host: string): boolean {
  const [, name, port] = HOST.exec(host) ?? [];
  if (name === undefined || (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))) return false;
  if (name.startsWith('[')) return isIP(name.slice(1, -1)) === 6;
  // A first part without a dot or a port is a folder, not a registry: there is no default registry.
  if (name !== 'localhost' && port === undefined && !name.includes('.')) return false;
  return name.split('.').every((label) => LABEL.test(label));
}

function wrongForm(ref: string, why: string): ProvisionError {
  const shown = ref === 'The reference' ? ref : JSON.stringify(ref.length > 200 ? `${ref.slice(0, 200)}…` : ref);
  return new ProvisionError('bad-usage', `${shown} is not a reference to an OCI registry: ${why}.`, {
    suggestions: [
      'Write it as oci:HOST/REPOSITORY:TAG or oci:HOST/REPOSITORY@sha256:…, for example oci:localhost:5000/models/gemma:q4_k_m.',
    ],
  });
}
