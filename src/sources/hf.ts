import { defineSource, type KnownRef, type ResolveRequest, type Source } from './contract.ts';
import { formatHubRef, isCommit, parseHubRef } from './hf/reference.ts';
import type { HubSourceOptions } from './hf/resolve.ts';
import { schemeOf } from './reference.ts';

/** `hf:owner/repo[@revision]/file.gguf`: a file of the Hugging Face hub, pinned to a commit and its SHA-256. */
export function hubSource(options: HubSourceOptions): Source {
  return defineSource({
    scheme: 'hf',
    description: 'a GGUF file of a Hugging Face repository',
    matches: (ref) => schemeOf(ref) === 'hf',
    known,
    // Loaded on use: most runs ask no hub.
    resolve: async (request) => (await import('./hf/resolve.ts')).resolveHub(options, request),
    async requireAccess(file, signal) {
      const { requireHubAccess } = await import('./hf/resolve.ts');
      return requireHubAccess(options, file, signal);
    },
  });
}

function known({ ref, fileName }: ResolveRequest): KnownRef | undefined {
  const parsed = parseHubRef(ref);
  const file = parsed.file ?? fileName;
  if (file === undefined) return undefined;
  return {
    ref,
    key: formatHubRef({ ...parsed, file }),
    fixed: isCommit(parsed.revision),
    fileName: file.slice(file.lastIndexOf('/') + 1),
  };
}
