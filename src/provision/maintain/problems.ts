/** What `verify` and `repair` report. */
import * as z from 'zod';
import { EXIT_CODE } from '../../core/errors.ts';
import { RuntimeIdentity } from '../../runtimes/contract.ts';

/** What can be wrong with an installed model, with the exit code of each. */
export const PROBLEM_EXIT = {
  /** Its record file cannot be read. */
  'bad-record': EXIT_CODE['bad-record'],
  /** A run on it did not come to its end. */
  interrupted: EXIT_CODE['needs-repair'],
  /** The runtime cannot read the name: its manifest is empty or broken. */
  'broken-entry': EXIT_CODE['needs-repair'],
  /** The bytes of a blob are not what its name says. */
  'corrupt-blob': EXIT_CODE['digest-mismatch'],
  'missing-blob': EXIT_CODE['digest-mismatch'],
  /** The runtime did not answer. */
  'not-asked': EXIT_CODE['runtime-unreachable'],
  /** The runtime does not have the name. */
  missing: EXIT_CODE['no-candidate'],
  /** Not what was recorded. */
  'entry-drift': EXIT_CODE['no-candidate'],
  'layer-drift': EXIT_CODE['no-candidate'],
  'template-drift': EXIT_CODE['no-candidate'],
  'parameter-drift': EXIT_CODE['no-candidate'],
  /** The version before, kept for a rollback. */
  'kept-missing': EXIT_CODE['no-candidate'],
  'kept-drift': EXIT_CODE['no-candidate'],
} as const;

export const ProblemKind = z.enum([
  'bad-record',
  'interrupted',
  'broken-entry',
  'corrupt-blob',
  'missing-blob',
  'not-asked',
  'missing',
  'entry-drift',
  'layer-drift',
  'template-drift',
  'parameter-drift',
  'kept-missing',
  'kept-drift',
]);
export type ProblemKind = z.infer<typeof ProblemKind> & keyof typeof PROBLEM_EXIT;

export const Problem = z.strictObject({
  kind: ProblemKind,
  detail: z.string(),
  /** The blob that it is about. */
  digest: z.string().optional(),
  /** The file that it is about, absolute. */
  path: z.string().optional(),
  /** Every model of the runtime that uses the blob, ours or not. */
  models: z.array(z.string()).optional(),
});
export type Problem = z.infer<typeof Problem>;

const Common = {
  /** For a record that cannot be read: its file. */
  name: z.string(),
  runtime: RuntimeIdentity.pick({ kind: true, endpoint: true }).optional(),
  ok: z.boolean(),
  problems: z.array(Problem),
  /** What could not be checked, and why; one sentence each. */
  unchecked: z.array(z.string()),
};

export const VerifyResult = z.strictObject({ ...Common, bytesRead: z.int().nonnegative() });
export type VerifyResult = z.infer<typeof VerifyResult>;

export const VerifyReport = z.strictObject({ results: z.array(VerifyResult) });
export type VerifyReport = z.infer<typeof VerifyReport>;

/** `problems`: what is still wrong; `ok` when there is none. */
export const RepairResult = z.strictObject({
  ...Common,
  changed: z.boolean(),
  /** What was wrong before. */
  found: z.array(Problem),
  /** What was done, one sentence each. */
  repairs: z.array(z.string()),
  /** What can be done about what is still wrong, one imperative sentence each. */
  suggestions: z.array(z.string()),
});
export type RepairResult = z.infer<typeof RepairResult>;

export const RepairReport = z.strictObject({ results: z.array(RepairResult) });
export type RepairReport = z.infer<typeof RepairReport>;

/** From the worst: the state of this tool or of a name, lost bytes, a runtime that is away, drift. */
const ORDER = [
  EXIT_CODE['bad-record'],
  EXIT_CODE['digest-mismatch'],
  EXIT_CODE['runtime-unreachable'],
  EXIT_CODE['no-candidate'],
];

/** The exit code of all problems together: 18, 11, 13, 4 in this order; 0 when there is none. */
export function exitOf(results: readonly { readonly problems: readonly Problem[] }[]): number {
  const codes: ReadonlySet<number> = new Set(
    results.flatMap(({ problems }) => problems.map(({ kind }) => PROBLEM_EXIT[kind])),
  );
  return ORDER.find((code) => codes.has(code)) ?? 0;
}

/** The exit code of a repair: 18 when something is still wrong, 13 when that is only that the runtime did not answer. */
export function repairExit(results: readonly { readonly problems: readonly Problem[] }[]): number {
  const kinds = results.flatMap(({ problems }) => problems.map(({ kind }) => kind));
  if (kinds.length === 0) return 0;
  return kinds.every((kind) => kind === 'not-asked') ? EXIT_CODE['runtime-unreachable'] : EXIT_CODE['needs-repair'];
}
