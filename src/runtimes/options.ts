/** Words that flags, settings and records share. Without zod, since flags are read at every start. */

/** Every runtime that exists; `registry.ts` has what each of them is. */
export const RUNTIME_KINDS = ['ollama', 'embedded'] as const;

export const TRANSFER_WAYS = ['present', 'hard-link', 'reflink', 'copy', 'upload', 'stream', 'loopback-pull'] as const;
