/** Which mirror is asked for a reference, and for what: the setting `mirrors`. */
import * as z from 'zod';
import { ProvisionError } from '../../core/errors.ts';

/** Everything below a scheme (`hf:`), or below a folder (`hf:bartowski/`). */
const Prefix = z.string().regex(/^(?:(?:hf|oci):(?:[^\s@?#:]+(?::\d+)?[^\s@?#:]*\/)?|https:\/\/[^\s@?#]+\/)$/, {
  error: 'must be hf:, oci:, or the beginning of references up to a slash, such as hf:OWNER/',
});

/** A folder on a web server, or the beginning of repository names in a registry. No password: logins of registries apply. */
const Target = z.string().regex(/^(?:https?:\/\/[^\s@?#/]+\/(?:[^\s@?#]*\/)?|oci:[^\s@?#/]+\/(?:[^\s@?#:]*\/)?)$/, {
  error: 'must be https://HOST/FOLDER/ or oci:HOST/FOLDER/, with a slash at its end and without user and password',
});

/** From the beginning of references to where their files are as well: `{"hf:bartowski/": "https://mirror.example/gguf/"}`. */
export const Mirrors = z
  .record(Prefix, Target)
  .refine(
    (mirrors) => Object.entries(mirrors).every(([from, to]) => !from.startsWith('oci:') || to.startsWith('oci:')),
    {
      error: 'what begins with oci: has no file names, so it can be mirrored by a registry alone: oci:HOST/FOLDER/',
    },
  );
export type Mirrors = z.infer<typeof Mirrors>;

/** Where a mirror has a file. */
export type MirrorPlace =
  | { readonly kind: 'web'; readonly url: string }
  /** The blob with the file's digest, in this repository of this registry. */
  | { readonly kind: 'registry'; readonly ref: string };

/**
 * Where the mirror with the longest prefix has what a reference names; undefined where no prefix matches. What follows the
 * prefix is added to the target, without revision, tag or digest: the bytes are known by their digest. A repository in a
 * registry is named after the folder of the file, in lower case, as registries want it. `key`: the reference in its full
 * and only spelling.
 */
export function placeInMirror(key: string, mirrors: Mirrors): MirrorPlace | undefined {
  const path = withoutVersion(key);
  const [prefix] = Object.keys(mirrors)
    .filter((each) => path.startsWith(each))
    .sort((a, b) => b.length - a.length);
  const target = prefix === undefined ? undefined : mirrors[prefix];
  if (prefix === undefined || target === undefined) return undefined;
  const rest = path.slice(prefix.length);
  if (!target.startsWith('oci:')) {
    const encoded = path.startsWith('https:') ? rest : rest.split('/').map(encodeURIComponent).join('/');
    return { kind: 'web', url: `${target}${encoded}` };
  }
  // A file is a blob of the repository that is named after its folder.
  const repository = path.startsWith('oci:') ? rest : rest.slice(0, Math.max(rest.lastIndexOf('/'), 0));
  return { kind: 'registry', ref: `${target}${decoded(repository).toLowerCase()}`.replace(/\/$/, '') };
}

/** `hf:owner/repo@revision/file` without the revision, `oci:host/repo:tag` without the tag, an address without its query. */
function withoutVersion(key: string): string {
  if (key.startsWith('hf:')) return key.replace(/^(hf:[^/]+\/[^/@]+)@(?:refs\/[^/]+\/)?[^/]+/, '$1');
  const [plain = ''] = key.split(/[#?]/);
  if (plain.startsWith('oci:')) return plain.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  return plain;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new ProvisionError('bad-usage', `${path} is not a usable path.`, { cause });
  }
}
