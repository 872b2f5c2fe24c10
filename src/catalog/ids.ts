/** Small forms that fields of a catalog file share. */
import * as z from 'zod';

export const Text = z.string().min(1);

/** A number with the place it was taken from, so that every figure in the tool can be traced. */
export const Sourced = z.strictObject({ value: z.number(), source: z.string().min(1) });
export type Sourced = z.infer<typeof Sourced>;

/** A page for users to read; `javascript:` and `file:` are not pages. */
export const WebAddress = z.url({ protocol: /^https?$/ });

export const Count = z.int().positive();
export const Bytes = z.int().nonnegative();
/** Names of profiles, tiers and chat templates: they end up in flags and file names. */
export const Word = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be a word of lower-case letters, digits, dashes and underscores');
/** `0.10.0`, `3.8`, `0.33.0-rc2`, a build (`b8637`), or the commit of a project that has no releases (`8846aace`). */
export const Version = z
  .string()
  .regex(
    /^(\d+(\.\d+){1,2}(-[0-9A-Za-z.]+)?|b\d{1,6}|[0-9a-f]{7,40})$/,
    'must be a version such as 0.10.0, a build such as b8637 or a commit',
  );
