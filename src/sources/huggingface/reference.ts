import { ProvisionError } from '../../core/errors.ts';
import { restOf } from '../reference.ts';

/** `hf:owner/repo[@revision][/file]` in its parts. */
export interface HubRef {
  /** `owner/repo`. */
  readonly repo: string;
  /** A branch, a tag or a commit; `main` unless given. */
  readonly revision: string;
  /** Path in the repository. */
  readonly file?: string;
}

/** As the hub allows it: letters, digits, `-`, `_`, `.`, at most 96 characters, none of them first or last but the first two. */
const NAME = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?';
const FORM = new RegExp(`^(${NAME}/${NAME})(?:@(refs/(?:pr|convert)/[^/]+|[^/]+))?(?:/(.*))?$`);
const COMMIT = /^[0-9a-f]{40}$/;

/**
 * Reads a reference; `hf://owner/…` is taken too. A revision with a slash that is not `refs/pr/N` is written with %2F.
 * Throws `bad-usage`.
 */
export function parseHubRef(ref: string): HubRef {
  const match = FORM.exec(restOf(ref).replace(/^\/\//, ''));
  const [, repo, typed, file] = match ?? [];
  if (repo === undefined) throw wrongForm(ref, 'it is not of that form');
  const revision = typed === undefined ? 'main' : decoded(ref, typed);
  if (!isRevision(revision)) throw wrongForm(ref, `${JSON.stringify(revision)} is not a revision`);
  if (file === undefined || file === '') return { repo, revision };
  if (!isPath(file)) throw wrongForm(ref, `${JSON.stringify(file)} is not a path in a repository`);
  return { repo, revision, file };
}

/** The one spelling of a reference. */
export function formatHubRef({ repo, revision, file }: HubRef): string {
  const shown = revision.startsWith('refs/') ? revision : revision.replaceAll('/', '%2F');
  return `hf:${repo}@${shown}${file === undefined ? '' : `/${file}`}`;
}

export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** The path of a repository's file as part of a URL. */
export function urlPath(file: string): string {
  return file.split('/').map(encodeURIComponent).join('/');
}

/** What could climb out of a folder, or be something else in a URL or a terminal, is in no repository that we read. */
export function isPath(file: string): boolean {
  const parts = file.split('/');
  return file.length <= 1024 && !/[\p{Cc}\\]/u.test(file) && parts.every((part) => !['', '.', '..'].includes(part));
}

/** Git's own rules, as far as they matter in a URL. */
function isRevision(revision: string): boolean {
  return revision.length <= 256 && !/[\p{Cc} ~^:?*[\\]|\.\.|^\/|\/$|^$/u.test(revision);
}

function decoded(ref: string, typed: string): string {
  try {
    return decodeURIComponent(typed);
  } catch {
    throw wrongForm(ref, `${JSON.stringify(typed)} is not a revision`);
  }
}

function wrongForm(ref: string, why: string): ProvisionError {
  const ollamaForm = /^([^:@]+\/[^:@/]+):[^/]+$/.exec(restOf(ref))?.[1];
  return new ProvisionError(
    'bad-usage',
    `${JSON.stringify(ref)} does not name a file of a Hugging Face repository: ${why}.`,
    {
      suggestions: [
        'Write it as hf:OWNER/REPO/FILE.gguf, or hf:OWNER/REPO@REVISION/FILE.gguf.',
        ...(ollamaForm === undefined ? [] : [`For one quant of a model write hf:${ollamaForm} and --quant QUANT.`]),
      ],
    },
  );
}
