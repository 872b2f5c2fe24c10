/** Without zod, since flags are read at every start. */
export const TRANSFER_WAYS = ['present', 'hard-link', 'reflink', 'copy', 'upload', 'stream', 'loopback-pull'] as const;
